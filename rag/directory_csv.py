"""Read a directory from a folder of CSV files, as a personnel system writes them out.

``people.csv`` has the columns name and, where they are known, id, display, active and
identifiers; ``groups.csv`` name, id and identifiers; ``members.csv`` group and member, both by
id, where a member is a person or a group. An id left out is the name.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rag.directory_book import DirectoryGroup, DirectoryPerson, Snapshot
from rag.errors import DirectoryInvalid

PEOPLE: Final = "people.csv"
GROUPS: Final = "groups.csv"
MEMBERS: Final = "members.csv"

_COLUMNS: Final = {
    PEOPLE: ({"name"}, {"id", "display", "active", "identifiers"}),
    GROUPS: ({"name"}, {"id", "identifiers"}),
    MEMBERS: ({"group", "member"}, set[str]()),
}
_YES: Final = frozenset({"", "yes", "true", "1", "active"})
_NO: Final = frozenset({"no", "false", "0", "inactive"})


def read_csv(folder: Path) -> Snapshot:
    """Return what the files of a folder name; without groups there need be no such file.

    Raises:
        DirectoryInvalid: A file is missing or cannot be read, or a line is not understood.
    """
    people = tuple(
        DirectoryPerson(
            row.get("id") or row["name"],
            row["name"],
            display=row.get("display", ""),
            active=_active(folder / PEOPLE, line, row.get("active", "")),
            identifiers=tuple(row.get("identifiers", "").split()),
        )
        for line, row in _rows(folder / PEOPLE)
    )
    members: dict[str, set[str]] = {}
    for _, row in _rows(folder / MEMBERS, missing_is_empty=True):
        members.setdefault(row["group"], set()).add(row["member"])
    groups = []
    for _, row in _rows(folder / GROUPS, missing_is_empty=not members):
        group_id = row.get("id") or row["name"]
        groups.append(
            DirectoryGroup(
                group_id,
                row["name"],
                frozenset(members.pop(group_id, ())),
                identifiers=tuple(row.get("identifiers", "").split()),
            )
        )
    if members:
        raise DirectoryInvalid(
            f"{folder / MEMBERS} names the group {min(members)!r}, which {GROUPS} has not. Add "
            "it there."
        )
    return Snapshot(people, tuple(groups))


def _rows(path: Path, *, missing_is_empty: bool = False) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each line's number with its values by column, trimmed."""
    if missing_is_empty and not path.exists():
        return
    needed, known = _COLUMNS[path.name]
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = {(name or "").strip().casefold() for name in reader.fieldnames or ()}
            if not needed <= columns or not columns <= needed | known:
                raise DirectoryInvalid(
                    f"The first line of {path} names the columns: "
                    f"{', '.join(sorted(needed))}, and perhaps "
                    f"{', '.join(sorted(known)) or 'no others'}."
                )
            for row in reader:
                if None in row or None in row.values():
                    raise DirectoryInvalid(
                        f"Line {reader.line_num} of {path} has more or fewer values than the "
                        "first. Correct it."
                    )
                yield (
                    reader.line_num,
                    {name.strip().casefold(): value.strip() for name, value in row.items()},
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DirectoryInvalid(f"{path} cannot be read: {error}.") from error


def _active(path: Path, line: int, written: str) -> bool:
    if written.casefold() not in _YES | _NO:
        raise DirectoryInvalid(
            f"Line {line} of {path} has {written[:20]!r} under active. Write yes or no."
        )
    return written.casefold() in _YES
