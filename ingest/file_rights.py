"""Read who may read a file from what its file system says: POSIX modes and lists, NTFS, sidecars.

Everything here is closed by default. What cannot be read, is not understood, or shuts out
somebody unknown leaves a file with nobody, and says so in words that an operator can act upon.
"""

import struct
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from corpus.access import Named
from corpus.records import FileRights
from ingest.errors import RightsUnreadable

READ: Final = 0o4
PASS: Final = 0o1
EVERYBODY: Final = "posix:other"
ROOT: Final = "uid:0"

SIDECAR: Final = ".muniment-access.toml"
NTFS_ATTRIBUTES: Final = ("system.ntfs_acl", "system.cifs_acl", "system.cifs_ntsd")
SAMBA_ATTRIBUTE: Final = "security.NTACL"
POSIX_ATTRIBUTE: Final = "system.posix_acl_access"

_USER_OBJECT, _USER, _GROUP_OBJECT, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_POSIX_VERSION: Final = 2

_DACL_PRESENT, _SELF_RELATIVE = 0x0004, 0x8000
_INHERIT_ONLY: Final = 0x08
_ALLOW, _DENY = 0, 1
_DENYING: Final = frozenset({1, 6, 10, 12})
"""Kinds of entries that shut somebody out; the first is the plain one."""
_READ_DATA: Final = 0x0000_0001 | 0x8000_0000 | 0x1000_0000
"""Read data, generic read and generic all: any of them lets somebody read a file."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Who is admitted and shut out, by the identifiers of the file system.

    Attributes:
        allowed: Such as "uid:1000", "gid:50", "posix:other" or a SID.
        denied: Likewise.
        unclear: What was found and not understood.
    """

    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    unclear: tuple[str, ...] = ()


def posix_rights(
    *, mode: int, owner: int, group: int, extended: bytes | None = None, wanted: int = READ
) -> Raw:
    """Return whom a POSIX mode and access list admit.

    The first class that somebody belongs to decides: an owner or a named person without the
    right is shut out even where a group or everybody has it, and so is a group where everybody
    has it. Somebody in two groups of which one is admitted would be let in by POSIX; here the
    denial wins.

    Args:
        mode: As ``stat`` gives it.
        owner: The owner's number.
        group: The group's number.
        extended: The attribute ``system.posix_acl_access``; None where there is none.
        wanted: The bit asked about.

    Raises:
        RightsUnreadable: The attribute is not what Linux writes.
    """
    entries = _posix_entries(extended) if extended else _of_mode(mode)
    mask = next((bits for tag, bits, _ in entries if tag == _MASK), 0o7)
    allowed: set[str] = set()
    denied: set[str] = set()
    groups_denied: set[str] = set()
    for tag, bits, number in entries:
        if tag == _USER_OBJECT:
            (allowed if bits & wanted else denied).add(f"uid:{owner}")
        elif tag == _USER:
            (allowed if bits & mask & wanted else denied).add(f"uid:{number}")
        elif tag in {_GROUP_OBJECT, _GROUP}:
            name = f"gid:{group if tag == _GROUP_OBJECT else number}"
            (allowed if bits & mask & wanted else groups_denied).add(name)
        elif tag == _OTHER and bits & wanted:
            allowed.add(EVERYBODY)
    if EVERYBODY in allowed:
        denied |= groups_denied - allowed
    return Raw(frozenset(allowed - denied), frozenset(denied - {ROOT}))


def below(folder: Raw, file: Raw) -> Raw:
    """Return whom a file admits that lies in a folder which only some may pass.

    Where two different groups would both have to admit somebody, nobody is admitted: who is in
    both cannot be written in one list.
    """
    denied = folder.denied | file.denied
    if EVERYBODY in folder.allowed:
        return Raw(file.allowed, denied, file.unclear)
    allowed = file.allowed & folder.allowed
    if EVERYBODY in file.allowed:
        allowed |= folder.allowed
    lost = sorted(file.allowed - allowed - {EVERYBODY, ROOT})
    said = ("a folder above does not admit those whom the file admits",) if lost else ()
    return Raw(allowed, denied, tuple(dict.fromkeys((*file.unclear, *said))))


def ntfs_rights(descriptor: bytes) -> Raw:
    """Return whom a self-relative security descriptor lets read.

    Entries are taken in their order, as Windows does; for each SID its first entry counts, so an
    explicit one outweighs one inherited. Across SIDs a denial wins, also where Windows would let
    an explicit permission outweigh an inherited denial of a group.

    Raises:
        RightsUnreadable: It is cut short or has no list of entries.
    """
    first: dict[str, int] = {}
    unclear: list[str] = []
    for kind, flags, mask, sid in _aces(descriptor):
        if flags & _INHERIT_ONLY or not mask & _READ_DATA:
            continue
        if kind in {_ALLOW, _DENY}:
            first.setdefault(sid, kind)
        elif kind in _DENYING:
            raise RightsUnreadable("an entry denies under a condition that is not understood")
        else:
            unclear.append("an entry admits under a condition that is not understood")
    return Raw(
        frozenset(sid for sid, kind in first.items() if kind == _ALLOW),
        frozenset(sid for sid, kind in first.items() if kind == _DENY),
        tuple(dict.fromkeys(unclear)),
    )


def mapped(path: str, raw: Raw, identities: Mapping[str, Named]) -> FileRights:
    """Return the rights of a file in the names of this house.

    Somebody admitted whom nobody knows is left out and listed; somebody shut out whom nobody
    knows shuts everybody out, because any of them could be meant.
    """
    unknown = sorted(raw.allowed - identities.keys() - {ROOT})
    unclear = [*raw.unclear, *(f"{name} is admitted and not known" for name in unknown)]
    shut = sorted(raw.denied - identities.keys())
    if shut:
        unclear += [f"{name} is shut out and not known, so nobody reads it" for name in shut]
        return FileRights(path, unmapped=tuple(unclear))
    return FileRights(
        path,
        frozenset(identities[name] for name in raw.allowed if name in identities),
        frozenset(identities[name] for name in raw.denied),
        tuple(unclear),
    )


def unreadable(path: str, why: str) -> FileRights:
    """Return the rights of a file whose rights could not be read: nobody's."""
    return FileRights(path, unmapped=(f"its rights cannot be read: {why}",))


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a file ``.muniment-access.toml`` says of the folder it lies in.

    Attributes:
        allow: Admitted to everything below.
        deny: Shut out of everything below.
        inherit: Whether those admitted above are admitted here; denials always are inherited.
        files: The same for files of this folder and below, by pattern.
        broken: Why it cannot be read; nobody reads anything below then.
    """

    allow: frozenset[Named] = frozenset()
    deny: frozenset[Named] = frozenset()
    inherit: bool = True
    files: tuple[tuple[str, frozenset[Named], frozenset[Named]], ...] = ()
    broken: str = ""


def read_sidecar(text: str) -> Sidecar:
    """Return what a sidecar says; one that is not understood is broken, never empty."""
    try:
        said = tomllib.loads(text)
        unknown = sorted(said.keys() - {"allow", "deny", "inherit", "files"})
        if unknown:
            return Sidecar(broken=f"the sidecar has an unknown key {unknown[0]!r}")
        files = tuple(
            (pattern, _names(rule.get("allow", [])), _names(rule.get("deny", [])))
            for pattern, rule in said.get("files", {}).items()
        )
        return Sidecar(
            _names(said.get("allow", [])),
            _names(said.get("deny", [])),
            bool(said.get("inherit", True)),
            files,
        )
    except (tomllib.TOMLDecodeError, ValueError, AttributeError, TypeError):
        return Sidecar(broken="a sidecar is not valid")


@dataclass(slots=True)
class Sidecars:
    """Sidecars from a source's root down to one folder.

    Args:
        read: Returns the text of a sidecar in a folder ("" for the root), None where there is
            none; raises ``OSError`` when it cannot be read.
    """

    read: Callable[[str], str | None]
    _known: dict[str, Sidecar | None] = field(default_factory=dict)

    def rights(self, path: str) -> FileRights:
        """Return the rights of the file at a path relative to the source."""
        allowed: frozenset[Named] = frozenset()
        denied: frozenset[Named] = frozenset()
        for folder, rest in _folders(path):
            sidecar = self._of(folder)
            if sidecar is None:
                continue
            if sidecar.broken:
                return FileRights(path, unmapped=(sidecar.broken,))
            allowed = sidecar.allow | (allowed if sidecar.inherit else frozenset())
            denied |= sidecar.deny
            for pattern, allow, deny in sidecar.files:
                if fnmatchcase(rest, pattern):
                    allowed, denied = allowed | allow, denied | deny
        said = () if allowed else ("no sidecar admits anybody",)
        return FileRights(path, allowed, denied, said)

    def _of(self, folder: str) -> Sidecar | None:
        if folder not in self._known:
            try:
                text = self.read(folder)
                self._known[folder] = None if text is None else read_sidecar(text)
            except (OSError, UnicodeDecodeError):
                self._known[folder] = Sidecar(broken="a sidecar cannot be read")
        return self._known[folder]


def _folders(path: str) -> Iterator[tuple[str, str]]:
    """Yield each folder above a file, from the root, with the path that is left below it."""
    parts = path.split("/")
    for depth in range(len(parts)):
        yield "/".join(parts[:depth]), "/".join(parts[depth:])


def _names(written: object) -> frozenset[Named]:
    if not isinstance(written, list):
        raise TypeError("names are a list")
    return frozenset(Named.of_key(str(name)) for name in written)


def _of_mode(mode: int) -> list[tuple[int, int, int]]:
    return [
        (_USER_OBJECT, mode >> 6 & 0o7, 0),
        (_GROUP_OBJECT, mode >> 3 & 0o7, 0),
        (_OTHER, mode & 0o7, 0),
    ]


def _posix_entries(data: bytes) -> list[tuple[int, int, int]]:
    size = struct.calcsize("<HHI")
    if (
        len(data) < 4
        or (len(data) - 4) % size
        or struct.unpack_from("<I", data)[0] != (_POSIX_VERSION)
    ):
        raise RightsUnreadable("the POSIX access list is not one that Linux writes")
    return [struct.unpack_from("<HHI", data, start) for start in range(4, len(data), size)]


def _aces(descriptor: bytes) -> Iterator[tuple[int, int, int, str]]:
    """Yield kind, flags, mask and SID of each entry."""
    try:
        revision, _, control, _, _, _, place = struct.unpack_from("<BBHIIII", descriptor)
        if revision != 1 or not control & _SELF_RELATIVE:
            raise RightsUnreadable("the security descriptor is not one that Windows writes")
        if not control & _DACL_PRESENT or not place:
            raise RightsUnreadable("the security descriptor has no list of entries")
        _, _, size, count, _ = struct.unpack_from("<BBHHH", descriptor, place)
        start, end = place + 8, place + size
        for _ in range(count):
            kind, flags, length, mask = struct.unpack_from("<BBHI", descriptor, start)
            if length < 8 or start + length > min(end, len(descriptor)):
                raise RightsUnreadable("the security descriptor is cut short")
            plain = kind in {_ALLOW, _DENY}
            yield kind, flags, mask, _sid(descriptor, start + 8) if plain else ""
            start += length
    except struct.error as error:
        raise RightsUnreadable("the security descriptor is cut short") from error


def _sid(data: bytes, start: int) -> str:
    revision, count = struct.unpack_from("<BB", data, start)
    authority = int.from_bytes(data[start + 2 : start + 8], "big")
    parts = struct.unpack_from(f"<{count}I", data, start + 8)
    return "-".join(["S", str(revision), str(authority), *map(str, parts)])
