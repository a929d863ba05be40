"""Mails and archives as folders: what they hold becomes documents of their own.

Opening one is as dangerous as reading it, so it happens in the jail too.
"""

from pathlib import Path

from ingest.errors import Quarantined
from ingest.jail import Jail
from ingest.parsing import FORMATS
from ingest.parts import Part
from ingest.quarantine import Reason
from ingest.settings import Limits


def is_container(media_type: str) -> bool:
    """Say whether files of this type may hold others."""
    return media_type in FORMATS and FORMATS[media_type].container


def expand(
    jail: Jail, data_path: Path, *, media_type: str, limits: Limits, depth: int = 0
) -> list[Part]:
    """Return what a container holds, one level deep.

    Args:
        jail: Opens it.
        data_path: The container's bytes.
        media_type: Decided by content.
        limits: How many parts, how deep and how large in all.
        depth: How many containers this one lies in; see `ingest.parts.depth_of`.

    Raises:
        Quarantined: It cannot be opened, or holds more than is allowed. The container itself
            may be readable all the same.
    """
    if not is_container(media_type):
        return []
    parts = jail.expand(data_path, media_type=media_type, limits=limits)
    if parts and depth >= limits.maximum_part_depth:
        raise Quarantined(
            Reason.NESTED_TOO_DEEPLY, f"more than {limits.maximum_part_depth} containers deep"
        )
    return parts


def expand_in_jail(
    data_path: Path, *, media_type: str, limits: Limits, depth: int = 0
) -> list[Part]:
    """Expand one container in a jail of its own; for many keep a Jail and call `expand`.

    Raises:
        Quarantined: As `expand`.
    """
    with Jail() as jail:
        return expand(jail, data_path, media_type=media_type, limits=limits, depth=depth)
