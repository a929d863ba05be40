"""At every synchronisation: read anew who may read the files of a source, without parsing them."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from audit.events import AccessRefreshed
from audit.log import AuditLog
from corpus.catalog import Catalog
from corpus.records import DECLARED, FileRights, Source
from ingest.errors import RightsUnreadable
from ingest.file_rights import (
    NTFS_ATTRIBUTES,
    PASS,
    POSIX_ATTRIBUTE,
    SAMBA_ATTRIBUTE,
    SIDECAR,
    Raw,
    Sidecars,
    below,
    mapped,
    ntfs_rights,
    posix_rights,
    unreadable,
)
from ingest.remote import Remote
from ingest.sources import FoundFile, Place

ReadAttribute = Callable[[Path, str], bytes]
"""Returns an extended attribute of a file; raises ``OSError`` where there is none."""

LONGEST_SIDECAR = 64 * 1024
"""Bytes of a sidecar that are read; a larger one is not a sidecar."""

_ABSENT = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.ENOTSUP})


def refresh(
    catalog: Catalog,
    source: Source,
    record: AuditLog,
    *,
    place: Place | None = None,
    read_attribute: ReadAttribute = os.getxattr,
) -> int:
    """Take over who may read the files of a source that says so itself.

    Files whose rights have not changed cost a look at their attributes. A file that cannot be
    seen has no rights, so that nobody reads what was taken in of it.

    Args:
        catalog: Where rights are kept.
        source: Whose; nothing is done where its operator declares the rights.
        record: That rights were read is put there first.
        place: Where the files are, when it is not a mounted folder.
        read_attribute: Reads an extended attribute.

    Returns:
        How many documents came under another list.
    """
    if source.rights == DECLARED:
        return 0
    if isinstance(place, Remote):
        rights = list(_rights_at(catalog, source, place))
    else:
        rights = list(_rights_of(catalog, source, read_attribute))
    changed = catalog.take_rights(source.source_id, rights)
    unmapped = sum(1 for one in rights if one.unmapped)
    if changed:
        record.append(AccessRefreshed(source.name, len(rights), changed, unmapped))
    return changed


def _rights_of(
    catalog: Catalog, source: Source, read_attribute: ReadAttribute
) -> Iterator[FileRights]:
    root = Path(source.location)
    identities = catalog.identities()
    sidecars = Sidecars(lambda folder: _sidecar_in(root / folder))
    folders: dict[Path, Raw] = {}
    for location in _files(root):
        path = location.name if root.is_file() else location.relative_to(root).as_posix()
        if source.rights == "sidecar":
            yield sidecars.rights(path)
            continue
        try:
            if source.rights == "ntfs":
                raw = _ntfs(location, read_attribute)
            else:
                raw = _posix(location, root, folders, read_attribute)
            yield mapped(path, raw, identities)
        except RightsUnreadable as error:
            yield unreadable(path, str(error))
        except OSError as error:
            yield unreadable(path, error.strerror or type(error).__name__)


def _rights_at(catalog: Catalog, source: Source, place: Remote) -> Iterator[FileRights]:
    """Yield the rights of the files behind an address; only SMB shares say them."""
    identities = catalog.identities()
    for found in place.walk():
        if not isinstance(found, FoundFile):
            continue
        if source.rights != "ntfs":
            yield unreadable(found.path, f"the kind {source.rights} needs a mounted folder")
            continue
        try:
            yield mapped(found.path, ntfs_rights(place.descriptor(found.path)), identities)
        except RightsUnreadable as error:
            yield unreadable(found.path, str(error))


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for folder, _, names in os.walk(root):
        for name in names:
            if not name.startswith("."):
                yield Path(folder) / name


def _posix(
    location: Path, root: Path, folders: dict[Path, Raw], read_attribute: ReadAttribute
) -> Raw:
    raw = _posix_of(location, read_attribute)
    for folder in (one for one in location.parents if one.is_relative_to(root)):
        if folder not in folders:
            folders[folder] = _posix_of(folder, read_attribute, wanted=PASS)
        raw = below(folders[folder], raw)
    return raw


def _posix_of(location: Path, read_attribute: ReadAttribute, **wanted: int) -> Raw:
    status = location.stat()
    return posix_rights(
        mode=status.st_mode,
        owner=status.st_uid,
        group=status.st_gid,
        extended=_attribute(location, POSIX_ATTRIBUTE, read_attribute),
        **wanted,
    )


def _ntfs(location: Path, read_attribute: ReadAttribute) -> Raw:
    for name in NTFS_ATTRIBUTES:
        descriptor = _attribute(location, name, read_attribute)
        if descriptor:
            return ntfs_rights(descriptor)
    if _attribute(location, SAMBA_ATTRIBUTE, read_attribute):
        raise RightsUnreadable("they are in Samba's own form; read the share by mounting it")
    raise RightsUnreadable("the file system hands out no security descriptor")


def _attribute(location: Path, name: str, read_attribute: ReadAttribute) -> bytes | None:
    try:
        return read_attribute(location, name)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def _sidecar_in(folder: Path) -> str | None:
    try:
        with (folder / SIDECAR).open("rb") as stream:
            return stream.read(LONGEST_SIDECAR).decode()
    except FileNotFoundError:
        return None
