import hashlib
import os
import stat
from pathlib import Path

import pytest

from corpus.documents import OriginalHash
from corpus.errors import OriginalMissing, OriginalsUnavailable
from corpus.originals import Originals


def test_an_original_is_read_back_as_it_was_kept(tmp_path: Path) -> None:
    originals = Originals(tmp_path / "originals")

    original = originals.keep(b"%PDF-1.7")

    assert original == hashlib.sha256(b"%PDF-1.7").hexdigest()
    assert originals.read(original) == b"%PDF-1.7"
    assert originals.path(original) == tmp_path / "originals" / original[:2] / original


def test_keeping_the_same_bytes_twice_keeps_one_file(tmp_path: Path) -> None:
    originals = Originals(tmp_path)

    assert originals.keep(b"fee") == originals.keep(b"fee")

    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_an_empty_original_is_kept_too(tmp_path: Path) -> None:
    originals = Originals(tmp_path)

    assert originals.read(originals.keep(b"")) == b""


def test_an_original_that_was_never_kept_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OriginalMissing, match="No original abc"):
        Originals(tmp_path).read(OriginalHash("abc"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)

    with pytest.raises(OriginalsUnavailable, match="Cannot use the originals"):
        Originals(tmp_path).keep(b"fee")


def test_a_file_where_the_folder_should_be_is_reported(tmp_path: Path) -> None:
    (tmp_path / "originals").write_text("")

    with pytest.raises(OriginalsUnavailable, match="Cannot use the originals"):
        Originals(tmp_path / "originals").keep(b"fee")


def test_a_rendition_stands_beside_its_original_and_is_replaced_by_a_new_one(
    tmp_path: Path,
) -> None:
    originals = Originals(tmp_path)
    original = originals.keep(b"a letter")

    originals.keep_rendition(original, b"%PDF-1.7 old")
    originals.keep_rendition(original, b"%PDF-1.7 new")

    assert originals.rendition_path(original).read_bytes() == b"%PDF-1.7 new"
    assert originals.read(original) == b"a letter"
