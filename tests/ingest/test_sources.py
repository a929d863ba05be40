import os
from pathlib import Path

import pytest

from ingest.errors import Quarantined, SourceAway, SourceMissing
from ingest.quarantine import Reason
from ingest.sources import ExcludedFile, Folder, FoundFile, Rules, UnreadableFile, list_folder


def test_files_are_listed_by_path_with_forward_slashes(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "two.txt").write_text("2")
    (tmp_path / "a.txt").write_text("one")

    listed = list_folder(tmp_path)

    assert [item.path for item in listed] == ["a.txt", "b/c/two.txt"]
    assert isinstance(listed[0], FoundFile)
    assert listed[0].size == 3


@pytest.mark.parametrize("name", [".hidden", "~$report.docx", ".~lock.a.odt#", "Thumbs.db"])
def test_files_that_are_no_documents_are_excluded_by_a_rule(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x")

    (item,) = list_folder(tmp_path)

    assert isinstance(item, ExcludedFile)
    assert item.rule


def test_a_link_that_leads_out_of_the_folder_is_excluded(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.txt").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)

    listed = list_folder(folder)

    assert all(isinstance(item, ExcludedFile) for item in listed)


def test_a_pipe_is_excluded_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    (item,) = list_folder(tmp_path)

    assert isinstance(item, ExcludedFile)


def test_a_broken_link_is_missing(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to(tmp_path / "nowhere.txt")

    (item,) = list_folder(tmp_path)

    assert isinstance(item, UnreadableFile)
    assert item.reason is Reason.MISSING


def test_a_single_file_is_a_source_too(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("1")

    assert [item.path for item in list_folder(tmp_path / "one.txt")] == ["one.txt"]


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"does not exist\. Check the path"):
        list_folder(tmp_path / "nowhere")


def test_a_file_is_read_within_its_limit(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 3_000)
    place = Folder(tmp_path)

    assert place.read("one", most=3_000) == b"x" * 3_000
    with pytest.raises(Quarantined) as too_large:
        place.read("one", most=2_999)
    with pytest.raises(Quarantined) as missing:
        place.read("two", most=1)

    assert (too_large.value.reason, missing.value.reason) == (Reason.TOO_LARGE, Reason.MISSING)


def test_a_folder_that_goes_away_while_it_is_read_is_not_a_missing_file(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    place = Folder(share)
    share.rmdir()

    with pytest.raises(SourceAway, match="Is the share mounted"):
        place.read("one.txt", most=1)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("a/plan.pdf", ""),
        ("a/Plan.PDF", ""),
        ("a/plan.txt", "no pattern of what is taken in"),
        ("drafts/plan.pdf", "drafts/*"),
        ("a/large.pdf", "larger than"),
    ],
)
def test_rules_say_which_of_them_leaves_a_file_out(path: str, rule: str) -> None:
    rules = Rules(include=("*.pdf",), exclude=("drafts/*",), maximum_bytes=10)

    applied = rules.apply(FoundFile(path, 11 if "large" in path else 10, 1))

    assert rule in (applied.rule if isinstance(applied, ExcludedFile) else "")
    assert isinstance(applied, ExcludedFile) == bool(rule)
