"""What must be kept and what is past its term: holds and retention, for the record."""

import logging
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Final

from audit.erasure import Disposal, HeldBy
from audit.errors import AuditError
from audit.log import AuditLog
from corpus.errors import CorpusError
from corpus.holds import Holds, HoldScope
from muniment.meanwhile import meanwhile
from muniment.settings import Settings
from muniment.stores import open_holds, open_identity, utc_now
from rag.identity import Identity

log = logging.getLogger("muniment.keeping")

BETWEEN_DISPOSALS_SECONDS: Final = 24 * 3600.0


def held_by(holds: Holds, record: AuditLog, names: Iterable[str] = ()) -> HeldBy:
    """Return what says whether the record must keep something; holds are asked each time.

    Args:
        holds: The holds.
        record: Whose pseudonyms people go by.
        names: Names that accounts have, so that a hold counts however its name is typed.
    """
    known = tuple(names)

    def ask(pid: str, documents: tuple[str, ...]) -> str:
        for hold in holds.all():
            if hold.scope is HoldScope.EVERYTHING:
                return hold.hold_id
            if hold.scope is HoldScope.PERSON and pid in {
                record.pseudonym_of(name) for name in names_like(hold.target, known)
            }:
                return hold.hold_id
        held = holds.on_documents(documents)
        return held.hold_id if held else ""

    return ask


def names_like(name: str, known: Iterable[str]) -> list[str]:
    """Return a name as it is given, and as accounts write it."""
    folded = _folded(name)
    return list(dict.fromkeys([name, *(each for each in known if _folded(each) == folded)]))


def account_names(identity: Identity) -> list[str]:
    """Return the names of all accounts."""
    return [account.name for account in identity.accounts()]


def dispose(settings: Settings, record: AuditLog) -> int:
    """Destroy what is past its term now; return how many texts.

    Raises:
        AuditUnavailable: Nothing was destroyed that is not on record.
        CatalogUnavailable: Nobody can say what is held, so nothing was destroyed.
    """
    with closing(open_holds(settings)) as holds, closing(open_identity(settings)) as identity:
        keeps = held_by(holds, record, account_names(identity))
        entries = Disposal(record, settings.retention_terms, keeps).run(utc_now())
    return sum(int(str(entry.envelope["count"])) for entry in entries)


@contextmanager
def disposing(settings: Settings, record: AuditLog) -> Iterator[None]:
    """Dispose once a day while the block lasts; without any term, do nothing."""
    if not any(settings.retention_terms.values()):
        yield
        return
    with meanwhile(partial(_dispose_daily, settings, record), name="retention"):
        yield


def _dispose_daily(settings: Settings, record: AuditLog, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            log.info("retention.disposed texts=%d", dispose(settings, record))
        except (AuditError, CorpusError) as error:
            # Nothing is lost by a day's delay; what is wrong with the record shows elsewhere.
            log.warning("retention.postponed error=%s", type(error).__name__)
        stop.wait(BETWEEN_DISPOSALS_SECONDS)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()
