import zipfile
from pathlib import Path

import fsspec
import pytest

from corpus.records import Intake
from ingest.errors import Quarantined, SourceAway, SourceMissing
from ingest.mailbox import Mailbox
from ingest.places import Places
from ingest.quarantine import Reason
from ingest.remote import Remote
from ingest.sources import ExcludedFile, Folder, FoundFile
from tests.ingest.post_office import PASSWORD, VALIDITY, open_post_office
from tests.ingest.test_pipeline import Desk, desk, embedder, outcomes

__all__ = ["desk", "embedder"]

LETTER = b"From: a@example.org\r\nSubject: Lease\r\n\r\nThe lease ends in March.\r\n"


@pytest.fixture
def share() -> fsspec.AbstractFileSystem:
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pipe("/share/a/one.txt", b"The boiler is in the basement.")
    system.pipe("/share/two.txt", b"2")
    system.pipe("/share/.hidden", b"x")
    return system


def test_a_place_behind_a_url_is_listed_and_read(share: fsspec.AbstractFileSystem) -> None:
    place = Remote("memory://share", {})

    listed = sorted(place.walk(), key=lambda item: item.path)

    assert [item.path for item in listed] == [".hidden", "a/one.txt", "two.txt"]
    assert isinstance(listed[0], ExcludedFile)
    assert isinstance(listed[1], FoundFile)
    assert listed[1].size == 30
    assert place.read("two.txt", most=1) == b"2"


def test_a_changed_file_behind_a_url_has_another_stamp(share: fsspec.AbstractFileSystem) -> None:
    def stamps() -> dict[str, int]:
        found = Remote("memory://share", {}).walk()
        return {item.path: item.modified_ns for item in found if isinstance(item, FoundFile)}

    before = stamps()
    share.pipe("/share/two.txt", b"3")
    after = stamps()

    assert after["a/one.txt"] == before["a/one.txt"]
    assert after["two.txt"] != before["two.txt"]


def test_what_is_wrong_with_a_place_behind_a_url_is_said(
    share: fsspec.AbstractFileSystem,
) -> None:
    with pytest.raises(SourceMissing, match="cannot be used"):
        Remote("nosuchthing://server/share", {})
    with pytest.raises(SourceMissing, match="no folder at memory://nowhere"):
        list(Remote("memory://nowhere", {}).walk())
    with pytest.raises(Quarantined) as missing:
        Remote("memory://share", {}).read("gone.txt", most=9)
    with pytest.raises(Quarantined) as large:
        Remote("memory://share", {}).read("a/one.txt", most=9)

    assert (missing.value.reason, large.value.reason) == (Reason.MISSING, Reason.TOO_LARGE)


def test_a_zip_file_behind_a_url_is_a_place_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/one.txt", "1")

    place = Remote(f"zip://x::{tmp_path}/a.zip", {})

    assert [item.path for item in place.walk()] == ["one.txt"]
    assert place.read("one.txt", most=1) == b"1"


def test_a_source_behind_a_url_becomes_searchable(
    desk: Desk, share: fsspec.AbstractFileSystem
) -> None:
    desk.catalog.set_intake(desk.source_id, Intake(url="memory://share"))

    first = desk.run()
    second = desk.run()

    assert outcomes(first) == {".hidden": "excluded", "a/one.txt": "added", "two.txt": "added"}
    assert second.totals == {"unchanged": 2, "excluded": 1}
    assert desk.found("Where is the boiler?")[0] == "a/one.txt"


def test_every_message_of_a_mailbox_is_a_document(desk: Desk) -> None:
    folders = {"INBOX": {7: LETTER, 9: LETTER.replace(b"March", b"June")}, "Sent": {1: LETTER}}
    with open_post_office(folders) as office:
        desk.catalog.set_intake(desk.source_id, Intake(url=office.url))
        places = Places({"files": {"password": PASSWORD}})
        first = desk.run(desk.pipeline(places=places))
        del folders["INBOX"][9]
        second = desk.run(desk.pipeline(places=places))

        assert outcomes(first) == {
            f"INBOX/{VALIDITY}-7.eml": "added",
            f"INBOX/{VALIDITY}-9.eml": "added",
            f"Sent/{VALIDITY}-1.eml": "added",
        }
        assert second.totals == {"unchanged": 2, "withdrawn": 1}
        assert not {"SELECT", "STORE", "EXPUNGE", "APPEND"} & set(office.heard)


def test_a_mailbox_says_what_is_wrong(tmp_path: Path) -> None:
    with open_post_office({"INBOX": {}}) as office:
        with pytest.raises(SourceMissing, match="does not let archive in"):
            list(Mailbox(office.url, {"password": "wrong"}).walk())
        with pytest.raises(SourceMissing, match="needs a user and a password"):
            Mailbox(office.url, {})
        gone = Mailbox(office.url, {"password": PASSWORD})
        office.server_close()
        office.shutdown()
    with pytest.raises(SourceAway, match="does not answer"):
        list(gone.walk())


def test_a_password_in_an_address_is_refused(desk: Desk) -> None:
    source = desk.catalog.source(desk.source_id)

    with pytest.raises(SourceMissing, match="MUNIMENT_SOURCE_CREDENTIALS"):
        Places()(source, Intake(url="sftp://u:secret@server/x"))
    assert isinstance(Places()(source, Intake()), Folder)
