"""Rights of real files, read anew without parsing anything."""

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.log import AuditLog
from corpus.access import Principal, group_named, person_named
from corpus.catalog import Catalog, Source, Staged
from corpus.documents import OriginalHash, ParsedDocument
from ingest.file_rights import POSIX_ATTRIBUTE
from ingest.rights import refresh
from tests.ingest.test_file_rights import descriptor, sid

ADA = Principal("ada")
STAFF = Principal("bob", frozenset({"staff"}))


class Share:
    """A folder with two files that were taken in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "share"
        (self.folder / "board").mkdir(parents=True)
        self.catalog = Catalog.open(f"sqlite:///{folder}/catalog.db")
        self.record = AuditLog.open(folder / "audit")
        self.source: Source = self.catalog.add_source(
            name="share", location=self.folder, groups=frozenset({"staff"})
        )
        self.staged = {path: self.take_in(path) for path in ("leave.txt", "board/may.txt")}

    def take_in(self, path: str) -> Staged:
        (self.folder / path).write_text(path)
        staged = self.catalog.stage_version(
            source_id=self.source.source_id,
            path=path,
            original=OriginalHash("00"),
            media_type="text/plain",
            parsed=ParsedDocument(path, ()),
            chunks=[],
            size=1,
            modified_ns=0,
        )
        self.catalog.publish(staged.version_id)
        return staged

    def rights_are(self, kind: str) -> None:
        self.catalog.set_rights(self.source.source_id, kind)
        self.source = self.catalog.source(self.source.source_id)

    def refresh(self) -> int:
        return refresh(self.catalog, self.source, self.record)

    def reads(self, principal: Principal) -> set[str]:
        listed, _ = self.catalog.readable_documents(principal)
        return {each.version.path for each in listed}


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Share]:
    made = Share(tmp_path)
    yield made
    made.catalog.close()
    made.record.close()


def test_declared_rights_are_left_alone(share: Share) -> None:
    assert share.refresh() == 0
    assert share.reads(STAFF) == {"leave.txt", "board/may.txt"}


def test_owner_group_and_mode_of_files_decide(share: Share) -> None:
    owner, group = share.folder.stat().st_uid, share.folder.stat().st_gid
    share.catalog.know_identities(
        {f"uid:{owner}": person_named("ada"), f"gid:{group}": group_named("staff")}
    )
    share.rights_are("posix")
    share.folder.chmod(0o750)
    (share.folder / "board").chmod(0o700)
    (share.folder / "leave.txt").chmod(0o640)
    (share.folder / "board/may.txt").chmod(0o640)
    assert share.reads(ADA) == set()

    share.refresh()

    assert share.reads(ADA) == {"leave.txt", "board/may.txt"}
    assert share.reads(STAFF) == {"leave.txt"}
    assert [entry.type for entry in share.record.entries()][-1] == "acl.sync"


def test_a_changed_mode_counts_from_the_next_refresh_and_costs_nothing_else(share: Share) -> None:
    group = share.folder.stat().st_gid
    share.catalog.know_identities({f"gid:{group}": group_named("staff")})
    share.rights_are("posix")
    for path in share.staged:
        (share.folder / path).chmod(0o640)
    for folder in (share.folder, share.folder / "board"):
        folder.chmod(0o750)
    share.refresh()
    assert share.refresh() == 0

    (share.folder / "leave.txt").chmod(0o600)

    assert share.refresh() == 1
    assert share.reads(STAFF) == {"board/may.txt"}
    assert set(share.catalog.stale_access()) >= {share.staged["leave.txt"].document_id}


def test_a_posix_access_list_of_a_real_file_is_read(share: Share) -> None:
    share.catalog.know_identities({"uid:4711": person_named("ada")})
    share.rights_are("posix")
    entries = [(1, 6, -1), (2, 4, 4711), (4, 0, -1), (16, 4, -1), (32, 0, -1)]
    data = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, bits, number & 0xFFFFFFFF) for tag, bits, number in entries
    )
    try:
        os.setxattr(share.folder / "leave.txt", POSIX_ATTRIBUTE, data)
    except OSError as error:
        pytest.skip(f"this file system keeps no POSIX access lists ({error.strerror})")
    share.folder.chmod(0o755)

    share.refresh()

    assert share.reads(ADA) == {"leave.txt"}


def test_a_security_descriptor_decides_and_what_is_unknown_is_listed(share: Share) -> None:
    def attribute(location: Path, name: str) -> bytes:
        if name != "system.cifs_acl" or location.name != "leave.txt":
            raise OSError(errno.ENODATA, "no data")
        return descriptor([(1, 0, 1, 8), (0, 0, 0x1200A9, 7), (0, 0, 0x1200A9, 9)])

    share.catalog.know_identities({sid(7): group_named("staff"), sid(8): person_named("ada")})
    share.rights_are("ntfs")

    refresh(share.catalog, share.source, share.record, read_attribute=attribute)

    assert share.reads(STAFF) == {"leave.txt"}
    assert share.reads(Principal("ada", frozenset({"staff"}))) == set()
    found = {one.what: one for one in share.catalog.unmapped(share.source.source_id)}
    assert "muniment access identities" in found[f"{sid(9)} is admitted and not known"].remedy
    assert any("no security descriptor" in what for what in found)


def test_a_sidecar_stands_where_the_share_has_no_rights(share: Share) -> None:
    share.rights_are("sidecar")
    (share.folder / ".muniment-access.toml").write_text('allow = ["group:staff"]')
    (share.folder / "board" / ".muniment-access.toml").write_text('deny = ["group:staff"]')

    share.refresh()

    assert share.reads(STAFF) == {"leave.txt"}


def test_a_share_that_is_gone_is_read_by_nobody(share: Share) -> None:
    share.rights_are("sidecar")
    (share.folder / ".muniment-access.toml").write_text('allow = ["group:staff"]')
    share.refresh()
    assert share.reads(STAFF)

    share.folder.rename(share.folder.with_name("away"))
    share.refresh()

    assert share.reads(STAFF) == set()


def test_rights_of_another_kind_are_forgotten(share: Share) -> None:
    share.rights_are("sidecar")
    (share.folder / ".muniment-access.toml").write_text('allow = ["group:staff"]')
    share.refresh()

    share.rights_are("ntfs")

    assert share.reads(STAFF) == set()
