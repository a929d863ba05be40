import io
import zipfile
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pytest

from ingest import sniffing
from ingest.errors import Quarantined
from ingest.quarantine import Reason
from ingest.sniffing import media_type_of


def zipped(entries: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return stream.getvalue()


def office(part: str) -> bytes:
    return zipped({"[Content_Types].xml": b"<x/>", part: b"<x/>"})


@pytest.mark.parametrize(
    ("data", "name", "media_type"),
    [
        (b"%PDF-1.7\n...", "letter.docx", sniffing.PDF),
        (office("word/document.xml"), "letter.pdf", sniffing.DOCX),
        (office("ppt/presentation.xml"), "x", sniffing.PPTX),
        (office("xl/workbook.xml"), "x", sniffing.XLSX),
        (b"<!DOCTYPE html><p>x</p>", "x.txt", sniffing.HTML),
        (b"From: a@x.example\nTo: b@x.example\nSubject: x\n\nHello", "x", sniffing.MAIL),
        (b"# Heading", "x.md", sniffing.MARKDOWN),
        (b"a,b\n1,2", "x.csv", sniffing.CSV),
        (b"Just words.", "x.unknown", sniffing.TEXT),
        ("Wörter".encode("utf-16"), "x.txt", sniffing.TEXT),
        ("The retention period.".encode("utf-16-le"), "x.txt", sniffing.TEXT),
        ("<html><p>fee</p></html>".encode("utf-16-be"), "x.txt", sniffing.HTML),
        (zipped({"letter.txt": b"x"}), "x.docx", sniffing.ZIP),
        (zipped({"mimetype": sniffing.ODT.encode()}), "x.zip", sniffing.ODT),
        (zipped({"mimetype": sniffing.EPUB.encode()}), "x.zip", sniffing.EPUB),
        (b"{\\rtf1 words}", "x.doc", sniffing.RTF),
        (b"Name\tRoom\nAda\t12\nBen\t14\n", "x.txt", sniffing.TSV),
        (b"Name,Room,Desk\nAda,12,3\nBen,14,4\n", "x.txt", sniffing.CSV),
        (b"Dear Sir, thank you.\nYours, Ada", "x.csv", sniffing.CSV),
        (b"We met Ada, Ben, Cyd.\nWe saw Dan, Eve, Flo.\nThen Gus, Hal, Ivy.", "x", sniffing.TEXT),
        (b"# Fees\n\nWords.\n\n## Charges\n\nMore.", "x.txt", sniffing.MARKDOWN),
        (b"\x89PNG\r\n\x1a\n....", "x.txt", sniffing.PNG),
    ],
)
def test_content_decides(data: bytes, name: str, media_type: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)

    assert media_type_of(tmp_path / "file", name=name) == media_type


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b" \n\0\0", Reason.EMPTY),
        (OLE + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), Reason.ENCRYPTED),
        (OLE + b"\0" * 600, Reason.DAMAGED),
        (office("word/document.xml")[:40], Reason.DAMAGED),
        (office("xl/workbook.bin"), Reason.UNSUPPORTED_FORMAT),
        (b"7z\xbc\xaf\x27\x1c" + b"\0" * 60, Reason.UNSUPPORTED_FORMAT),
        (b"\0" * 4 + b"ftypheic" + b"\0" * 60, Reason.UNSUPPORTED_FORMAT),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0" * 20, Reason.UNSUPPORTED_FORMAT),
    ],
)
def test_what_cannot_be_read_has_a_reason(data: bytes, reason: Reason, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)

    with pytest.raises(Quarantined) as caught:
        media_type_of(tmp_path / "file", name="x.docx")

    assert caught.value.reason is reason


def test_an_office_file_that_unpacks_to_far_more_than_itself_is_refused(tmp_path: Path) -> None:
    bomb = {"[Content_Types].xml": b"<x/>", "word/document.xml": b"<p/>" * 20_000_000}
    (tmp_path / "bomb").write_bytes(zipped(bomb))

    with pytest.raises(Quarantined) as caught:
        media_type_of(tmp_path / "bomb", name="x.docx")

    assert caught.value.reason is Reason.TOO_LARGE


def test_a_real_workbook_is_told_by_its_directory(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "book")

    assert media_type_of(tmp_path / "book", name="book.pdf") == sniffing.XLSX


def test_every_reason_has_a_sentence_and_a_remedy() -> None:
    for reason in Reason:
        assert reason.sentence.endswith(".")
        assert reason.remedy.endswith(".")
