"""What a container holds: the attachments of a mail, the members of an archive."""

from dataclasses import dataclass

from ingest.quarantine import Reason

PART_MARK = "!/"
"""Stands between the path of a container and the name of a part in it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file inside another one.

    Attributes:
        name: Its path inside the container, with "/" between folders; never leads out of it,
            and no two parts of a container share one.
        data: Its bytes; empty where there is a reason.
        reason: Why its bytes cannot be had, such as a password; None where they can.
        detail: For the operator, as in Quarantined.
    """

    name: str
    data: bytes = b""
    reason: Reason | None = None
    detail: str = ""


def part_path(container_path: str, name: str) -> str:
    """Return the path of a part: ``mail.eml!/contract.pdf``."""
    return f"{container_path}{PART_MARK}{name}"


def depth_of(path: str) -> int:
    """Return how many containers a path leads through; 0 for a file of its own."""
    return path.count(PART_MARK)


def listed_path(path: str) -> str:
    """Return the path of the listed file that a part lies in, however deep; its own for a file."""
    return path.partition(PART_MARK)[0]


def is_safe_name(name: str) -> bool:
    """Say whether a name stays inside its container and can be written on one line."""
    steps = name.split("/")
    return bool(name) and not any(step in {"", ".", ".."} for step in steps) and name.isprintable()
