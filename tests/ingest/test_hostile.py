"""Every file of the hostile set, as the pipeline reads it: each ends with a true outcome."""

import tempfile
from pathlib import Path

import pytest

from ingest.parsers.libreoffice import installed
from ingest.parsers.recognition import tesseract
from ingest.settings import Limits
from tests.ingest.outcomes import Outcome, data_folder, outcomes

HOSTILE = data_folder() / "hostile"
LIMITS = Limits(parse_seconds=300, office_pages=False)

TRUE_REASONS = {
    "made/bomb_2M_paragraphs.docx": "too_large",
    "made/bomb_flate_248MiB.pdf": "out_of_memory",
    "made/deep.json": "no_text",
    "made/png_60000x60000.png": "too_large",
    "made/truncated.pdf": "damaged",
    "made/xxe_file.docx": "no_text",
    "pdfjs/REDHAT-1531897-0.pdf": "damaged",
    "pdfjs/bug1020226.pdf": "damaged",
    "pdfjs/poppler-395-0-fuzzed.pdf": "damaged",
    "pdfplumber/password-example.pdf": "encrypted",
    "tika/full_encrypted.7z": "unsupported_format",
    "tika/test-nested-tarball.tar": "unsupported_format",
    "tika/testEXCEL_protected_passtika.xls": "encrypted",
    "tika/testODTEncrypted.odt": "encrypted",
    "tika/testPPT_protected_passtika.pptx": "encrypted",
    "tika/testUnicodePassword.pdf": "encrypted",
    "tika/testWORD_protected_passtika.doc": "encrypted",
    "tika/testWORD_protected_passtika.docx": "encrypted",
    "tika/testZipEncrypted.zip!/encrypted.txt": "encrypted",
    "unstructured/password.pdf": "encrypted",
    "unstructured/password_protected.xlsx": "encrypted",
}
LIVE = (
    "made/html_named.pdf",
    "made/pdf_named.docx",
    "made/utf16le_no_bom.txt",
    "made/zip_slip.zip!/ok.txt",
    "pdfjs/xref_command_missing.pdf",
    "tika/testArabicMisleadingCharset.html",
    "tika/testZipEncrypted.zip!/unencrypted.txt",
    "unstructured/copy-protected.pdf",
    "unstructured/fake-email-utf-16-be.eml",
    "unstructured/fake-text-utf-32.txt",
    "unstructured/mime-multipart-digest.eml!/First Message.eml",
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    if not HOSTILE.is_dir():
        pytest.skip(f"no evaluation data in {HOSTILE.parent}")
    return {each.path.removeprefix("hostile/"): each for each in outcomes(HOSTILE, limits=LIMITS)}


def test_every_hostile_file_has_an_outcome(found: dict[str, Outcome]) -> None:
    listed = {
        str(path.relative_to(HOSTILE))
        for path in HOSTILE.rglob("*")
        if path.is_file() and path.name != "MANIFEST.tsv"
    }

    assert listed <= found.keys()


def test_what_is_quarantined_has_its_true_reason(found: dict[str, Outcome]) -> None:
    assert {path: found[path].reason for path in TRUE_REASONS} == TRUE_REASONS


def test_what_can_be_read_is_live_whatever_it_is_called(found: dict[str, Outcome]) -> None:
    assert {path: found[path].reason for path in LIVE} == dict.fromkeys(LIVE, "")


def test_nothing_ends_as_an_unexplained_crash(found: dict[str, Outcome]) -> None:
    assert [path for path, each in found.items() if each.reason == "crashed"] == []


def test_an_old_format_is_read_or_names_what_is_missing(found: dict[str, Outcome]) -> None:
    reason = found["tika/testPPT_skipBadCompressedObject.ppt"].reason

    assert reason == ("" if installed() else "libreoffice_missing")


def test_a_page_upside_down_is_read_where_tesseract_is(found: dict[str, Outcome]) -> None:
    if not tesseract():
        pytest.skip("tesseract is not installed")

    assert found["docling/ocr_test_rotated_180.pdf"].reason == ""


def test_a_bomb_of_archives_stops_at_its_depth(found: dict[str, Outcome]) -> None:
    deepest = max(path.count("!/") for path in found if path.startswith("made/nested_4096"))

    assert deepest <= LIMITS.maximum_part_depth + 1


def test_no_child_holds_more_than_its_limit(found: dict[str, Outcome]) -> None:
    most = max(each.peak_bytes for each in found.values())

    assert most < LIMITS.parse_memory_bytes + 512 * 1024 * 1024


def test_nothing_is_written_where_an_archive_says(found: dict[str, Outcome]) -> None:
    assert found

    assert list(Path(tempfile.gettempdir()).glob("hostile_zip_slip*")) == []
