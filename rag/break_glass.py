"""Whatever is read by break-glass alone is on record before it is read, whichever way it is."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from audit.events import BreakGlassUsed
from audit.log import AuditLog
from corpus.access import Principal
from corpus.catalog import Catalog
from corpus.documents import VersionId

AGAIN_AFTER: Final = timedelta(minutes=1)
"""A document read again by the same person sooner than this is one reading, not two."""
MOST_REMEMBERED: Final = 10_000


class BreakGlassWatch:
    """What the gate tells of every version that it lets through.

    Args:
        catalog: Knows the openings.
        record: Where readings are put.
        clock: Returns the time now, in UTC.
    """

    def __init__(
        self, catalog: Catalog, record: AuditLog, *, clock: Callable[[], datetime]
    ) -> None:
        self._catalog = catalog
        self._record = record
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str, VersionId], datetime] = OrderedDict()
        self._lock = Lock()

    def __call__(self, principal: Principal, version_ids: Collection[VersionId]) -> None:
        """Record what somebody is about to read by break-glass.

        Raises:
            AuditUnavailable: It cannot be put on record, so it must not be read.
        """
        now = self._clock()
        for version_id, document_id, opening in self._catalog.read_by_break_glass(
            principal, version_ids
        ):
            key = (principal.name, opening.request_id, version_id)
            with self._lock:
                seen_at = self._seen.get(key)
            if seen_at is not None and now - seen_at < AGAIN_AFTER:
                continue
            self._record.append(
                BreakGlassUsed(
                    principal.name, opening.request_id, document_id, version_id, opening.reason
                )
            )
            with self._lock:
                self._seen[key] = now
                while len(self._seen) > MOST_REMEMBERED:
                    self._seen.popitem(last=False)
