"""ZIP archives: a folder of files, each of which becomes a document of its own."""

import stat
import zipfile
from pathlib import Path

from corpus.documents import BlockKind, ParsedDocument
from ingest.building import DocumentBuilder
from ingest.errors import Quarantined
from ingest.parsers.part_names import PartNames
from ingest.parts import Part
from ingest.quarantine import Reason
from ingest.settings import Limits

_ENCRYPTED = 0x1
_CLUTTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def parse(location: Path, limits: Limits) -> ParsedDocument:
    """Read the list of what an archive holds.

    Raises:
        Quarantined: It holds nothing, or cannot be followed.
    """
    builder = DocumentBuilder()
    with _opened(location) as archive:
        members = _members(archive, limits)
        for name, entry in members:
            changed = "{:04}-{:02}-{:02}".format(*entry.date_time)
            builder.add(BlockKind.LIST_ITEM, f"• {name} ({entry.file_size} bytes, {changed})")
    if not members:
        raise Quarantined(Reason.EMPTY, "an archive without files")
    return builder.finish()


def parts(location: Path, limits: Limits) -> list[Part]:
    """Return the files in an archive.

    Raises:
        Quarantined: It cannot be followed, or holds more than allowed.
    """
    left = limits.maximum_unpacked_bytes
    found: list[Part] = []
    with _opened(location) as archive:
        for name, entry in _members(archive, limits):
            part = _part(archive, name, entry, min(left, limits.maximum_file_bytes))
            left -= len(part.data)
            found.append(part)
    return found


def _opened(location: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(location)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Quarantined(Reason.DAMAGED, "its zip directory cannot be read") from error


def _members(archive: zipfile.ZipFile, limits: Limits) -> list[tuple[str, zipfile.ZipInfo]]:
    entries = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir()
        and not entry.filename.startswith(_CLUTTER[0])
        and entry.filename.rpartition("/")[2] not in _CLUTTER[1:]
    ]
    if len(entries) > limits.maximum_parts:
        raise Quarantined(Reason.TOO_LARGE, f"holds {len(entries)} files")
    names = PartNames()
    return [(names.safe(entry.filename), entry) for entry in entries]


def _part(archive: zipfile.ZipFile, name: str, entry: zipfile.ZipInfo, room: int) -> Part:
    if stat.S_ISLNK(entry.external_attr >> 16):
        return Part(name, reason=Reason.UNSUPPORTED_FORMAT, detail="a link to another file")
    if entry.flag_bits & _ENCRYPTED:
        return Part(name, reason=Reason.ENCRYPTED)
    if entry.file_size > room:
        return Part(name, reason=Reason.TOO_LARGE, detail=f"{entry.file_size} bytes")
    try:
        data = _unpacked(archive, entry, room)
    except Quarantined as refusal:
        return Part(name, reason=refusal.reason, detail=refusal.detail)
    return Part(name, data)


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, room: int) -> bytes:
    try:
        with archive.open(entry) as stream:
            # What the directory says of the size may be a lie.
            data = stream.read(room + 1)
    except NotImplementedError as error:
        raise Quarantined(Reason.UNSUPPORTED_FORMAT, "packed in an unusual way") from error
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError) as error:
        raise Quarantined(Reason.DAMAGED, "it cannot be unpacked") from error
    if len(data) > room:
        raise Quarantined(Reason.TOO_LARGE, "larger than the archive says")
    return data
