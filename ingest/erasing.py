"""Destroys documents, step by step, so that a crash anywhere leaves no half of one behind.

withdrawn → vectors → caches → text → originals → receipt. Each step can be done again; the
catalog knows the last one that was done. A legal hold stops it before every step that cannot be
undone.
"""

from collections.abc import Callable, Mapping

from audit.entries import Entry
from audit.events import (
    DeletionPrevented,
    DocumentErased,
    DocumentWithdrawn,
    PlaceCleared,
    VersionErased,
)
from corpus.documents import DocumentId
from corpus.erasures import ASKED, ERASED, Erasure
from corpus.errors import UnknownDocument, UnknownVersion
from ingest.chunking import search_text
from ingest.pipeline import Pipeline

WITHDRAWN = "withdrawn"
VECTORS = "vectors"
CACHES = "caches"
TEXT = "text"
ORIGINALS = "originals"

Clearing = Callable[[Erasure], tuple[int, int] | None]
"""Takes away what one place holds of a document; returns how much, and how much is left. None
says that it cannot be done yet, and is to be tried again soon."""

LOOKED_BACK = 2_000


class Eraser:
    """Carries out the erasures that were asked for.

    Args:
        pipeline: Whose corpus it is.
        elsewhere: Further places that may hold something of a document, by name.
    """

    def __init__(
        self, pipeline: Pipeline, *, elsewhere: Mapping[str, Clearing] | None = None
    ) -> None:
        self._pipeline = pipeline
        self._catalog = pipeline.catalog
        self._record = pipeline.record
        self._elsewhere = dict(elsewhere or {})
        self._steps: dict[str, Callable[[Erasure], str]] = {
            ASKED: self._withdraw,
            WITHDRAWN: self._clear_vectors,
            VECTORS: self._clear_caches,
            CACHES: self._clear_text,
            TEXT: self._clear_originals,
            ORIGINALS: self._give_receipt,
        }

    def work(self) -> int:
        """Carry on with every erasure that no hold stands against; return how many ended."""
        ended = 0
        for erasure in self._catalog.erasures():
            step = erasure.step
            while step != ERASED:
                if step != ASKED and self._is_held(erasure.document_id):
                    break
                before = step
                step = self._steps[step](self._catalog.erasure(erasure.document_id))
                if step == before:  # another place is not ready for it yet
                    break
            ended += step == ERASED
        return ended

    def _is_held(self, document_id: DocumentId) -> bool:
        erasure = self._catalog.erasure(document_id)
        hold = self._catalog.holds().on_document(document_id)
        hold_id = hold.hold_id if hold else ""
        if hold_id and hold_id != erasure.held_by:
            self._record.append(
                DeletionPrevented(
                    person=erasure.asked_by,
                    hold_id=hold_id,
                    what="document",
                    target=document_id,
                )
            )
        if hold_id != erasure.held_by:
            self._catalog.note_erasure(document_id, step=erasure.step, held_by=hold_id)
        return bool(hold_id)

    def _withdraw(self, erasure: Erasure) -> str:
        document_id = erasure.document_id
        try:
            self._catalog.access_list_of(document_id)
        except UnknownDocument:
            pass
        else:
            self._record.append(
                DocumentWithdrawn(source=erasure.source, document_id=document_id, path=erasure.path)
            )
            self._catalog.withdraw_document(document_id)
        return self._done(erasure, WITHDRAWN)

    def _clear_vectors(self, erasure: Erasure) -> str:
        index = self._pipeline.index
        versions = [version.version_id for version in erasure.versions]
        before = index.versions()
        for version_id in versions:
            index.remove_version(version_id)
        index.flush()
        removed = sum(self._catalog.chunk_count(one) for one in versions if one in before)
        left = len(set(versions) & index.versions())
        return self._done(erasure, VECTORS, removed=removed, left=left)

    def _clear_caches(self, erasure: Erasure) -> str:
        removed = left = 0
        if self._pipeline.vectors is not None:
            for version in erasure.versions:
                try:
                    found = [
                        one
                        for past in (False, True)
                        for one in self._catalog.chunks_of(version.version_id, past=past)
                    ]
                except UnknownVersion:
                    continue
                texts = [search_text(one.title, one.chunk, one.text) for one in found]
                some, rest = self._pipeline.vectors.forget(texts)
                removed, left = removed + some, left + rest
        return self._done(erasure, CACHES, removed=removed, left=left)

    def _clear_text(self, erasure: Erasure) -> str:
        for place, clear in self._elsewhere.items():
            found = clear(erasure)
            if found is None:
                return CACHES
            removed, left = found
            self._catalog.note_erasure(
                erasure.document_id, step=CACHES, place=place, removed=removed, left=left
            )
        removed = self._catalog.erase_text(erasure.document_id)
        self._catalog.scrub()
        return self._done(erasure, TEXT, removed=removed)

    def _clear_originals(self, erasure: Erasure) -> str:
        originals = {version.original for version in erasure.versions}
        removed = self._pipeline.drop_unused(sorted(originals))
        left = sum(self._pipeline.originals.path(one).exists() for one in originals)
        return self._done(erasure, ORIGINALS, removed=removed, left=left)

    def _give_receipt(self, erasure: Erasure) -> str:
        if not self._has_receipt(erasure.document_id):
            places = dict(erasure.places)
            self._record.append(
                DocumentErased(
                    person=erasure.asked_by,
                    document_id=erasure.document_id,
                    source=erasure.source,
                    path=erasure.path,
                    ground=erasure.ground,
                    versions=tuple(
                        VersionErased(one.version_id, one.number, one.original)
                        for one in erasure.versions
                    ),
                    places=tuple(
                        PlaceCleared(place, removed, left)
                        for place, (removed, left) in places.items()
                    ),
                    originals_held=places.get(ORIGINALS, (0, 0))[1],
                )
            )
        self._catalog.note_erasure(erasure.document_id, step=ERASED)
        return ERASED

    def _has_receipt(self, document_id: DocumentId) -> bool:
        def matches(entry: Entry) -> bool:
            return entry.envelope.get("document_id") == document_id

        entries = self._record.entries(
            type=DocumentErased.type, newest_first=True, limit=LOOKED_BACK
        )
        return any(matches(entry) for entry in entries)

    def _done(self, erasure: Erasure, step: str, *, removed: int = 0, left: int = 0) -> str:
        place = "" if step == WITHDRAWN else step
        self._catalog.note_erasure(
            erasure.document_id, step=step, place=place, removed=removed, left=left
        )
        return step
