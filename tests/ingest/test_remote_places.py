"""SFTP, WebDAV and S3 against servers that speak them."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from corpus.records import Intake
from ingest.buckets import Bucket
from ingest.errors import Quarantined, SourceAway, SourceMissing
from ingest.places import Places
from ingest.quarantine import Reason
from ingest.remote import Remote
from ingest.sources import FoundFile, Listed
from tests.ingest.share_servers import (
    PASSWORD,
    USER,
    open_sftp_server,
    open_store,
    open_webdav_server,
)
from tests.ingest.test_pipeline import Desk, desk, embedder, outcomes

__all__ = ["desk", "embedder"]

LOGIN = {"username": USER, "password": PASSWORD}
NOTE = b"The boiler is in the basement."


@pytest.fixture
def office(tmp_path: Path) -> Path:
    folder = tmp_path / "office"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "one.txt").write_bytes(NOTE)
    (folder / "zwei ü.txt").write_bytes(b"2")
    (folder / ".hidden").write_bytes(b"x")
    return folder


def by_path(listed: list[Listed]) -> dict[str, Listed]:
    return {one.path: one for one in listed}


# SFTP


def test_a_folder_over_sftp_becomes_searchable_and_reading_it_changes_nothing(
    desk: Desk, office: Path
) -> None:
    (office / "link.txt").symlink_to("/etc/hostname")
    with open_sftp_server(office) as server:
        desk.catalog.set_intake(desk.source_id, Intake(url=server.url))
        places = Places({"files": {**LOGIN, "host_key": server.fingerprint}})
        first = desk.run(desk.pipeline(places=places))
        for path in office.rglob("*.txt"):  # the server's disk notes when a file was read
            if not path.is_symlink():
                os.utime(path, ns=(path.stat().st_atime_ns + 10**12, path.stat().st_mtime_ns))
        second = desk.run(desk.pipeline(places=places))

    assert outcomes(first) == {
        ".hidden": "excluded",
        "a/one.txt": "added",
        "link.txt": "excluded",
        "zwei ü.txt": "added",
    }
    assert second.totals == {"unchanged": 2, "excluded": 2}
    assert desk.found("Where is the boiler?")[0] == "a/one.txt"


def test_an_ssh_server_that_is_not_known_is_told_no_password(office: Path) -> None:
    with open_sftp_server(office) as server:
        with pytest.raises(SourceMissing, match=re.escape(server.fingerprint)):
            Remote(server.url, LOGIN)
        with pytest.raises(SourceMissing, match="somebody else answers in its place"):
            Remote(server.url, {**LOGIN, "host_key": "SHA256:another"})


def test_a_wrong_password_over_sftp_is_not_tried_again(office: Path) -> None:
    with (
        open_sftp_server(office) as server,
        pytest.raises(SourceMissing, match="does not let us in"),
    ):
        Remote(server.url, {"username": USER, "password": "x", "host_key": server.fingerprint})


def test_a_connection_that_was_cut_is_made_anew_at_the_next_try(office: Path) -> None:
    with open_sftp_server(office) as server:
        place = Remote(server.url, {**LOGIN, "host_key": server.fingerprint})
        server.cut()
        with pytest.raises(Exception, match="does not answer"):
            place.read("a/one.txt", most=99)

        assert place.read("a/one.txt", most=99) == NOTE
        with pytest.raises(Quarantined) as gone:
            place.read("gone.txt", most=99)
        place.close()
    assert gone.value.reason is Reason.MISSING


def test_many_hands_share_one_connection_and_none_loses_its_answer(office: Path) -> None:
    notes = {f"{number}.txt": b"%d" % number for number in range(60)}
    for name, note in notes.items():
        (office / name).write_bytes(note)
    with open_sftp_server(office) as server, ThreadPoolExecutor(8) as hands:
        place = Remote(server.url, {**LOGIN, "host_key": server.fingerprint})
        read = hands.map(lambda name: place.read(name, most=99), notes)

        assert list(read) == list(notes.values())
        place.close()


def test_a_server_that_falls_silent_is_waited_for_no_longer_than_agreed(
    office: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.remote._ANSWERS_WITHIN", 0.5)
    with open_sftp_server(office) as server:
        place = Remote(server.url, {**LOGIN, "host_key": server.fingerprint})
        server.silent.set()
        with pytest.raises(SourceAway, match="does not answer"):
            place.read("a/one.txt", most=99)
        server.silent.clear()

        assert place.read("a/one.txt", most=99) == NOTE
        place.close()


# WebDAV


def test_a_folder_over_webdav_is_listed_and_read(office: Path) -> None:
    with open_webdav_server(office) as url:
        place = Remote(f"{url}/a", LOGIN)
        whole = by_path(list(Remote(url, LOGIN).walk()))

        assert [one.path for one in place.walk()] == ["one.txt"]
        assert place.read("one.txt", most=99) == NOTE
        assert set(whole) == {".hidden", "a/one.txt", "zwei ü.txt"}
        assert isinstance(whole["a/one.txt"], FoundFile)
        assert (whole["a/one.txt"].size, whole["a/one.txt"].modified_ns > 0) == (30, True)


def test_a_wrong_password_over_webdav_is_said(office: Path) -> None:
    with (
        open_webdav_server(office) as url,
        pytest.raises(SourceMissing, match="does not let us in"),
    ):
        list(Remote(url, {"username": USER, "password": "x"}).walk())


# S3


def test_a_bucket_becomes_searchable_and_is_listed_page_by_page(desk: Desk) -> None:
    keys = {
        "papers/": b"",
        "papers/a/one.txt": NOTE,
        "papers/b.txt": b"Lunch is at noon.",
        "papers/c.txt": b"The roof is checked in May.",
        "papers/.cache/d.txt": b"x",
        "private/e.txt": b"Not below the folder.",
    }
    with open_store(keys) as store:
        desk.catalog.set_intake(desk.source_id, Intake(url="s3://office/papers"))
        places = Places({"files": {"key": USER, "secret": PASSWORD, "endpoint_url": store}})
        first = desk.run(desk.pipeline(places=places))
        keys["papers/b.txt"] = b"Lunch is at one."
        second = desk.run(desk.pipeline(places=places))

    assert outcomes(first) == {
        ".cache/d.txt": "excluded",
        "a/one.txt": "added",
        "b.txt": "added",
        "c.txt": "added",
    }
    assert second.totals == {"unchanged": 2, "updated": 1, "excluded": 1}
    assert desk.found("Where is the boiler?")[0] == "a/one.txt"


def test_what_is_wrong_with_a_bucket_is_said() -> None:
    with open_store({"one.txt": NOTE}) as store:
        options = {"key": USER, "secret": PASSWORD, "endpoint_url": store}
        with pytest.raises(SourceMissing, match="NoSuchBucket"):
            list(Bucket("s3://nowhere", options).walk())
        with pytest.raises(SourceMissing, match="InvalidAccessKeyId"):
            list(Bucket("s3://office", {**options, "key": "somebody"}).walk())
        with pytest.raises(SourceMissing, match="cannot be used"):
            Bucket("s3://office", {**options, "endpoint_url": "not an address"})
        with pytest.raises(Quarantined) as gone:
            Bucket("s3://office", options).read("gone.txt", most=99)
        with pytest.raises(Quarantined) as large:
            Bucket("s3://office", options).read("one.txt", most=9)

    assert (gone.value.reason, large.value.reason) == (Reason.MISSING, Reason.TOO_LARGE)
