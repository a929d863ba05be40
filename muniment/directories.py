"""The directory that people and groups come from, as the settings name it, kept in step."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from audit.errors import AuditError
from audit.log import AuditLog
from corpus.catalog import Catalog
from corpus.errors import CorpusError
from muniment.assembly import House
from muniment.errors import SettingsInvalid
from muniment.meanwhile import meanwhile
from muniment.settings import Settings
from muniment.stores import utc_now
from rag.directory import DirectorySync
from rag.directory_book import DirectoryBook, Snapshot
from rag.errors import DirectoryStopped, RagError
from rag.identity import Identity

log = logging.getLogger("muniment.directories")

LDAP: Final = "ldap"
CSV: Final = "csv"


def directory_name(settings: Settings) -> str:
    """Return what the directory is called here; it stays when its address changes.

    Raises:
        SettingsInvalid: No directory is set.
    """
    if not settings.directory:
        raise SettingsInvalid(
            "No directory is set. Name a folder of CSV files or ldaps://server in "
            "MUNIMENT_DIRECTORY; docs/directory.md says how."
        )
    return LDAP if "://" in settings.directory else CSV


def read_directory(settings: Settings) -> Snapshot:
    """Return everything that the directory names now.

    Raises:
        DirectoryInvalid: It cannot be read to the end.
        SettingsInvalid: No directory is set, or others may read the file of its password.
    """
    if directory_name(settings) == CSV:
        from rag.directory_csv import read_csv  # noqa: PLC0415 - only where needed

        return read_csv(Path(settings.directory).expanduser())
    from rag.directory_ldap import read_ldap, read_options  # noqa: PLC0415 - likewise

    path = Path(settings.directory_options).expanduser()
    try:
        if path.stat().st_mode & 0o077:
            raise SettingsInvalid(
                f"Others may read {path}, which holds a password. Protect it: chmod 600 {path}"
            )
        return read_ldap(settings.directory, read_options(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(
            f"The file of MUNIMENT_DIRECTORY_OPTIONS cannot be read: {error}."
        ) from error


def sync_of(
    settings: Settings, identity: Identity, catalog: Catalog, record: AuditLog
) -> DirectorySync:
    """Return what brings accounts and memberships into step."""
    book = DirectoryBook(identity.store, clock=utc_now)
    share = settings.directory_percent / 100
    return DirectorySync(identity, book, catalog, record, share=share)


@contextmanager
def in_step(house: House) -> Iterator[None]:
    """Bring accounts into step with the directory again and again while the block lasts."""
    if not house.settings.directory:
        yield
        return
    with meanwhile(partial(_keep_in_step, house), name="directory"):
        yield


def _keep_in_step(house: House, stop: threading.Event) -> None:
    settings = house.settings
    name = directory_name(settings)
    sync = sync_of(settings, house.identity, house.catalog, house.record)
    while not stop.is_set():
        try:
            plan = sync.apply(name, read_directory(settings), actor=f"directory {name}")
            if plan.changes:
                log.info("directory.taken_over changes=%d", plan.changes)
        except DirectoryStopped as error:
            log.warning("directory.stopped %s", error)
        except (RagError, SettingsInvalid, AuditError, CorpusError, SQLAlchemyError) as error:
            # Nobody gains by a directory that is away; `muniment directory status` says since when.
            log.warning("directory.failed error=%s", type(error).__name__)
            sync.note_failure(name, str(error))
        stop.wait(settings.directory_seconds)
