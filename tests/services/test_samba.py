"""Rights of files on a real Samba share: entries that allow and deny, given and inherited."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import smbclient
from smbclient._io import SMBDirectoryIO, SMBFileIO
from smbprotocol.file_info import InfoType
from smbprotocol.open import FilePipePrinterAccessMask, SMB2SetInfoRequest

from audit.log import AuditLog
from corpus.access import Principal, group_named
from corpus.catalog import Catalog
from corpus.documents import Block, BlockKind, Chunk, DocumentId, OriginalHash, ParsedDocument
from ingest.errors import RightsUnreadable
from ingest.file_rights import ntfs_rights
from ingest.remote import Remote
from ingest.rights import refresh
from tests.services.daemons import free_port, program, running

pytestmark = pytest.mark.services

PASSWORD = "the reader's"
READ, FULL = 0x0012_0089, 0x001F_01FF
ALLOW, DENY = 0, 1
TO_FILES_AND_FOLDERS = 0x03
DOMAIN = (21, 111, 222, 333)
FEES, MARKETS, SECRETARIES = 1104, 1105, 1106


@dataclass(frozen=True)
class Share:
    url: str
    port: int

    @property
    def options(self) -> dict[str, object]:
        return {"username": "root", "password": PASSWORD, "port": self.port}

    def place(self, path: str) -> str:
        return "\\\\127.0.0.1\\office" + "".join(f"\\{part}" for part in path.split("/") if part)

    def write(self, path: str, text: str) -> None:
        with smbclient.open_file(self.place(path), mode="w", port=self.port) as stream:
            stream.write(text)

    def set_rights(self, path: str, *aces: tuple[int, int, int, int]) -> None:
        """Give a file or folder exactly these entries, as an administrator's tool would."""
        kind = SMBDirectoryIO if smbclient.path.isdir(self.place(path), port=self.port) else (
            SMBFileIO
        )  # fmt: skip
        opened: Any = kind(
            self.place(path),
            mode="r",
            share_access="rwd",
            desired_access=FilePipePrinterAccessMask.WRITE_DAC,
            port=self.port,
        )
        with opened:
            wish = SMB2SetInfoRequest()
            wish["info_type"] = InfoType.SMB2_0_INFO_SECURITY
            wish["additional_information"] = 4
            wish["file_id"] = opened.fd.file_id
            wish["buffer"] = descriptor(aces)
            tree, connection = opened.fd.tree_connect, opened.fd.connection
            connection.receive(
                connection.send(wish, sid=tree.session.session_id, tid=tree.tree_connect_id)
            )


def sid(number: int) -> str:
    return "-".join(["S-1-5", *map(str, DOMAIN), str(number)])


def descriptor(aces: tuple[tuple[int, int, int, int], ...]) -> bytes:
    packed = b""
    for kind, flags, mask, number in aces:
        parts = (*DOMAIN, number)
        who = bytes([1, len(parts)]) + (5).to_bytes(6, "big") + struct.pack("<5I", *parts)
        packed += struct.pack("<BBHI", kind, flags, 8 + len(who), mask) + who
    listed = struct.pack("<BBHHH", 2, 0, 8 + len(packed), len(aces), 0) + packed
    return struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 20) + listed


def configuration(folder: Path, port: int) -> str:
    kept = "".join(
        f"  {name} = {folder}/{name.replace(' ', '-')}\n"
        for name in ("private dir", "lock directory", "state directory", "cache directory",
                     "pid directory", "ncalrpc dir")
    )  # fmt: skip
    return f"""[global]
  server role = standalone server
  workgroup = OFFICE
  netbios name = OFFICE
  interfaces = 127.0.0.1
  bind interfaces only = yes
  smb ports = {port}
{kept}  passdb backend = tdbsam:{folder}/private-dir/passdb.tdb
  log file = {folder}/samba.log
  load printers = no
  disable spoolss = yes
  server min protocol = SMB3
[office]
  path = {folder}/share
  read only = no
  vfs objects = acl_xattr xattr_tdb
  acl_xattr:ignore system acls = yes
  admin users = root
"""


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Share]:
    smbd, passwords = program("smbd", "samba"), program("smbpasswd", "samba-common-bin")
    if not list(Path("/usr/lib").glob("*/samba/vfs/xattr_tdb.so")):
        pytest.skip("Samba's modules are not installed; `make test-services` installs them")
    if os.geteuid() != 0:
        pytest.skip("Samba starts for root alone; run `make test-services` as root")
    folder, port = tmp_path_factory.mktemp("samba"), free_port()
    for name in ("share", "private-dir", "lock-directory", "state-directory", "cache-directory",
                 "pid-directory", "ncalrpc-dir"):  # fmt: skip
        (folder / name).mkdir()
    conf = folder / "smb.conf"
    conf.write_text(configuration(folder, port))
    subprocess.run(
        [passwords, "-c", str(conf), "-s", "-a", "root"],
        input=f"{PASSWORD}\n{PASSWORD}\n".encode(),
        check=True,
        capture_output=True,
    )
    command = [smbd, "-F", "--no-process-group", "-s", str(conf)]
    with running(command, port, folder / "log"):
        smbclient.register_session("127.0.0.1", username="root", password=PASSWORD, port=port)
        try:
            yield furnished(Share("smb://127.0.0.1/office", port))
        finally:
            smbclient.reset_connection_cache()


def furnished(share: Share) -> Share:
    """Put a plain file, a walled folder and exceptions in it on the share."""
    share.write("plain.txt", "Plain.")
    share.set_rights("plain.txt", (ALLOW, 0, READ, FEES))
    smbclient.makedirs(share.place("walled"), port=share.port)
    share.set_rights(
        "walled",
        (DENY, TO_FILES_AND_FOLDERS, READ, MARKETS),
        (ALLOW, TO_FILES_AND_FOLDERS, READ, FEES),
        (ALLOW, TO_FILES_AND_FOLDERS, FULL, SECRETARIES),
    )
    share.write("walled/inside.txt", "Inside.")
    smbclient.makedirs(share.place("walled/deep/deeper"), port=share.port)
    share.write("walled/deep/deeper/inside.txt", "Deep inside.")
    share.write("walled/nobody.txt", "For nobody.")
    share.set_rights("walled/nobody.txt", (DENY, 0, READ, FEES))
    return share


@pytest.fixture
def remote(share: Share) -> Iterator[Remote]:
    with closing(Remote(share.url, share.options)) as remote:
        yield remote


def test_an_entry_given_to_a_file_is_read(remote: Remote) -> None:
    raw = ntfs_rights(remote.descriptor("plain.txt"))

    assert raw.allowed == {sid(FEES)}
    assert raw.denied == set()


@pytest.mark.parametrize("path", ["walled/inside.txt", "walled/deep/deeper/inside.txt"])
def test_what_a_file_inherited_when_it_was_made_is_read(remote: Remote, path: str) -> None:
    raw = ntfs_rights(remote.descriptor(path))

    assert raw.allowed == {sid(FEES), sid(SECRETARIES)}
    assert raw.denied == {sid(MARKETS)}


def test_a_folder_and_a_file_that_are_not_there_say_nothing(remote: Remote) -> None:
    with pytest.raises(RightsUnreadable, match="does not say who may read"):
        remote.descriptor("walled/missing.txt")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with closing(Catalog.open(f"sqlite:///{tmp_path}/catalog.db")) as catalog:
        yield catalog


def stage(catalog: Catalog, share: Share, paths: list[str]) -> dict[str, DocumentId]:
    source = catalog.add_source(name="office", location=Path(share.url), groups=frozenset())
    catalog.set_rights(source.source_id, "ntfs")
    ids: dict[str, DocumentId] = {}
    for path in paths:
        text = f"What {path} says."
        staged = catalog.stage_version(
            source_id=source.source_id,
            path=path,
            original=OriginalHash(f"{len(ids):064x}"),
            media_type="text/plain",
            parsed=ParsedDocument(text, (Block(0, len(text), BlockKind.PARAGRAPH),)),
            chunks=[Chunk(0, 0, len(text))],
            size=len(text),
            modified_ns=0,
        )
        catalog.publish(staged.version_id)
        ids[path] = staged.document_id
    return ids


def test_a_synchronisation_takes_the_rights_of_the_share_over_by_sid(
    catalog: Catalog, share: Share, remote: Remote, tmp_path: Path
) -> None:
    ids = stage(
        catalog, share, ["plain.txt", "walled/inside.txt", "walled/nobody.txt", "missing.txt"]
    )
    catalog.know_identities({sid(FEES): group_named("fees"), sid(MARKETS): group_named("markets")})
    source = catalog.sources()[0]
    people = {
        "fees": Principal("ada", frozenset({"fees"})),
        "both": Principal("bea", frozenset({"fees", "markets"})),
        "other": Principal("cem", frozenset({"markets"})),
    }

    with closing(AuditLog.open(tmp_path / "audit")) as record:
        refresh(catalog, source, record, place=remote)
        told = [entry.type for entry in record.entries()]

    readable = {
        who: {path for path, one in ids.items() if catalog.explain(person, one).may_read}
        for who, person in people.items()
    }
    assert readable == {
        "fees": {"plain.txt", "walled/inside.txt"},
        "both": {"plain.txt"},
        "other": set(),
    }
    assert told == ["acl.sync"]
    unmapped = [one.what for one in catalog.unmapped(source.source_id)]
    assert unmapped == [f"{sid(SECRETARIES)} is admitted and not known"]


def test_a_change_on_the_share_counts_from_the_next_synchronisation(
    catalog: Catalog, share: Share, remote: Remote, tmp_path: Path
) -> None:
    share.write("moving.txt", "Moving.")
    share.set_rights("moving.txt", (ALLOW, 0, READ, FEES))
    document_id = stage(catalog, share, ["moving.txt"])["moving.txt"]
    catalog.know_identities({sid(FEES): group_named("fees"), sid(MARKETS): group_named("markets")})
    source, ada = catalog.sources()[0], Principal("ada", frozenset({"fees", "markets"}))
    with closing(AuditLog.open(tmp_path / "audit")) as record:
        refresh(catalog, source, record, place=remote)
        assert catalog.explain(ada, document_id).may_read

        share.set_rights("moving.txt", (ALLOW, 0, READ, FEES), (DENY, 0, READ, MARKETS))
        refresh(catalog, source, record, place=remote)

    assert not catalog.explain(ada, document_id).may_read


def test_a_password_that_is_wrong_is_said_without_it(share: Share) -> None:
    asked = (
        "from ingest.remote import Remote\n"
        f"Remote({share.url!r}, dict(username='root', password='wrong', port={share.port},"
        " register_session_retries=0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], check=False, capture_output=True, text=True
    )

    last = done.stderr.splitlines()[-1]
    assert "does not let us in" in last
    assert "wrong" not in last
