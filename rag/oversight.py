"""What the record tells: counted by day and document, and the story of one answer."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from audit.entries import Entry
from audit.log import AuditLog
from corpus.access import UncheckedChunk
from corpus.catalog import Catalog
from corpus.documents import ChunkId, DocumentId, VersionId
from corpus.errors import UnknownDocument, UnknownVersion
from rag.contract import (
    AuditFilters,
    AuditOverview,
    AuditStory,
    DayOfEvents,
    DayOfQuestions,
    DocumentRelied,
    StoryCitation,
    StoryPassage,
)
from rag.errors import NotFound

MOST_COUNTED: Final = 20_000
"""Events an overview is counted from, the newest first."""

MOST_DOCUMENTS: Final = 15
PAGE: Final = 500
NEIGHBOURHOOD: Final = 5_000
"""Entries around one that are searched for the others of its question."""

ENDS: Final = ("rag.answer", "rag.refuse")
ANSWERED: Final = frozenset({"answered", "partly", "conflict"})
NO_QUESTION: Final = "This entry belongs to no question."


def kinds_of(filters: AuditFilters) -> list[str]:
    """Return the types and families asked for; one that is empty means all."""
    return [kind.strip() for kind in filters.type.split(",") if kind.strip()] or [""]


def entries_of(
    record: AuditLog, filters: AuditFilters, *, after: int = -1, limit: int = 100
) -> list[Entry]:
    """Return entries that fit, newest first; with ``after``, those older than that."""
    found = [
        entry
        for kind in kinds_of(filters)
        for entry in record.entries(
            after=after, limit=limit, newest_first=True, type=kind, **_narrowed(filters)
        )
    ]
    found.sort(key=lambda entry: entry.sequence, reverse=True)
    return found[:limit]


def count_of(record: AuditLog, filters: AuditFilters) -> int:
    """Return how many entries fit."""
    return sum(record.count(type=kind, **_narrowed(filters)) for kind in kinds_of(filters))


def overview(record: AuditLog, catalog: Catalog, filters: AuditFilters) -> AuditOverview:
    """Count what fits, by day, by family of events and by document."""
    days: dict[date, Counter[str]] = {}
    families: Counter[tuple[date, str]] = Counter()
    documents: Counter[str] = Counter()
    answers = counted = 0
    for entry in _newest(record, filters):
        counted += 1
        day = entry.at.date()
        families[day, entry.type.partition(".")[0]] += 1
        days.setdefault(day, Counter())[_ending(entry)] += 1
        if entry.type == "rag.answer":
            answers += 1
            documents.update(set(_documents_cited(entry)))
    total = count_of(record, filters)
    return AuditOverview(
        total=total,
        truncated=counted < total,
        days=[_day(day, counts) for day, counts in sorted(days.items())],
        families=[
            DayOfEvents(day=day, family=family, count=count)
            for (day, family), count in sorted(families.items())
        ],
        documents=[
            _relied(catalog, document_id, count, answers)
            for document_id, count in documents.most_common(MOST_DOCUMENTS)
        ],
    )


def story(record: AuditLog, catalog: Catalog, sequence: int) -> AuditStory:
    """Tell the question that an entry belongs to, from asking to answer.

    Raises:
        NotFound: There is no such entry, or it belongs to no question.
    """
    chosen = record.entries(after=sequence - 1, limit=1)
    turn = _text(chosen[0], "turn_id") if chosen and chosen[0].sequence == sequence else ""
    if not turn:
        raise NotFound(NO_QUESTION)
    told = {
        entry.type: entry
        for entry in record.entries(
            after=max(-1, sequence - NEIGHBOURHOOD), limit=2 * NEIGHBOURHOOD, type="rag"
        )
        if _text(entry, "turn_id") == turn
    }
    return _Told(catalog, told).story(turn)


@dataclass(frozen=True, slots=True)
class _Told:
    """The entries of one question, by type."""

    catalog: Catalog
    entries: dict[str, Entry]

    def story(self, turn: str) -> AuditStory:
        asked, read = self.entries.get("rag.ask"), self.entries.get("rag.retrieve")
        end = next((self.entries[name] for name in ENDS if name in self.entries), None)
        first = asked or read or end
        if first is None:
            raise NotFound(NO_QUESTION)
        cited = _records(end, "citations")
        return AuditStory(
            entries=sorted(entry.sequence for entry in self.entries.values()),
            person=first.person,
            pseudonym=str((_record(first.envelope.get("actor"))).get("pid") or ""),
            asked_at=first.at,
            turn_id=turn,
            conversation_id=_text(asked, "conversation_id"),
            question=_text(asked, "question"),
            rewritten=_text(read, "rewritten"),
            passages=self._passages(read, {str(each.get("version_id")) for each in cited}),
            prompt=_text(end, "prompt"),
            model=_model(end),
            outcome=end.outcome if end else "",
            reason=_text(end, "reason"),
            answer=_text(end, "answer"),
            citations=[self._citation(each) for each in cited],
            struck=int(_number(end, "struck") or 0),
            draft=_text(end, "draft"),
            milliseconds=_number(end, "latency_ms") or _number(end, "milliseconds"),
            erased=any(_is_erased(entry) for entry in self.entries.values()),
        )

    def _passages(self, read: Entry | None, cited: set[str]) -> list[StoryPassage]:
        recorded = _records(read, "retrieval") or _records(read, "passages")
        chunks: dict[str, dict[ChunkId, UncheckedChunk]] = {}
        told = []
        for each in recorded:
            version_id = str(each.get("version") or each.get("version_id"))
            if version_id not in chunks:
                chunks[version_id] = self._chunks(version_id)
            told.append(self._passage(each, version_id, chunks[version_id], cited))
        return told

    def _passage(
        self,
        recorded: dict[str, Any],
        version_id: str,
        chunks: dict[ChunkId, UncheckedChunk],
        cited: set[str],
    ) -> StoryPassage:
        document_id = str(recorded.get("doc") or recorded.get("document_id"))
        chunk = chunks.get(ChunkId(str(recorded.get("chunk") or recorded.get("chunk_id"))))
        digest = str(recorded.get("chunk_sha256") or "")
        title, path = self._known_as(document_id, version_id)
        return StoryPassage(
            rank=int(recorded.get("rank") or 0),
            document_id=document_id,
            version_id=version_id,
            version_number=int(recorded.get("ver") or recorded.get("version_number") or 0),
            title=title,
            path=path,
            page=chunk.chunk.page if chunk else None,
            place=chunk.chunk.place if chunk else "",
            start=chunk.chunk.start if chunk else 0,
            end=chunk.chunk.end if chunk else 0,
            score=float(recorded.get("score") or 0),
            chunk_sha256=digest,
            original_sha256=str(
                recorded.get("doc_sha256") or recorded.get("original_sha256") or ""
            ),
            cited=version_id in cited,
            state=self._state(document_id, version_id),
            same_text=hashlib.sha256(chunk.text.encode()).hexdigest() == digest if chunk else None,
        )

    def _chunks(self, version_id: str) -> dict[ChunkId, UncheckedChunk]:
        try:
            return {
                chunk.chunk_id: chunk
                for past in (True, False)
                for chunk in self.catalog.chunks_of(VersionId(version_id), past=past)
            }
        except UnknownVersion:
            return {}

    def _state(self, document_id: str, version_id: str) -> Any:
        """Say whether answers are still made from the version that was read."""
        with suppress(UnknownDocument):
            live = [each for each in self.catalog.versions_of(DocumentId(document_id)) if each.live]
            if live:
                return "unchanged" if live[0].version_id == version_id else "changed"
        return "gone"

    def _known_as(self, document_id: str, version_id: str) -> tuple[str, str]:
        with suppress(UnknownVersion, UnknownDocument):
            version = self.catalog.version(VersionId(version_id))
            return version.title, version.path
        return _known_as(self.catalog, document_id)

    def _citation(self, recorded: dict[str, Any]) -> StoryCitation:
        document_id, version_id = str(recorded.get("document_id")), str(recorded.get("version_id"))
        return StoryCitation(
            number=int(recorded.get("number") or 0),
            document_id=document_id,
            version_id=version_id,
            title=self._known_as(document_id, version_id)[0],
            start=int(recorded.get("start") or 0),
            end=int(recorded.get("end") or 0),
            quote=str(recorded.get("quote") or ""),
        )


def _newest(record: AuditLog, filters: AuditFilters) -> Iterator[Entry]:
    after, counted = -1, 0
    while counted < MOST_COUNTED:
        page = entries_of(record, filters, after=after, limit=PAGE)
        yield from page
        counted += len(page)
        if len(page) < PAGE or page[-1].sequence == 0:
            return
        after = page[-1].sequence


def _narrowed(filters: AuditFilters) -> dict[str, Any]:
    return filters.model_dump(exclude={"type", "after", "limit"})


def _ending(entry: Entry) -> str:
    """Return what a day's figures count an entry as."""
    if entry.type == "rag.answer":
        return "answered" if entry.outcome in ANSWERED else "failed"
    return {"rag.ask": "asked", "rag.refuse": "refused", "access.denied": "denied"}.get(
        entry.type, "other"
    )


def _day(day: date, counts: Counter[str]) -> DayOfQuestions:
    return DayOfQuestions(
        day=day,
        asked=counts["asked"],
        answered=counts["answered"],
        refused=counts["refused"],
        failed=counts["failed"],
        denied=counts["denied"],
    )


def _documents_cited(entry: Entry) -> list[str]:
    return [str(each.get("document_id")) for each in _records(entry, "citations")]


def _relied(catalog: Catalog, document_id: str, count: int, answers: int) -> DocumentRelied:
    title, path = _known_as(catalog, document_id)
    return DocumentRelied(
        document_id=document_id,
        title=title,
        path=path,
        answers=count,
        share=count / answers if answers else 0.0,
    )


def _known_as(catalog: Catalog, document_id: str) -> tuple[str, str]:
    with suppress(UnknownDocument):
        for version in catalog.versions_of(DocumentId(document_id)):
            return version.title, version.path
    return "", ""


def _records(entry: Entry | None, name: str) -> list[dict[str, Any]]:
    """Return the records of an envelope's field, with what the payload holds of each."""
    if entry is None:
        return []
    outside = entry.envelope.get(name)
    inside = (entry.payload or {}).get(name)
    beside = inside if isinstance(inside, list) else []
    return [
        {**_record(each), **(_record(beside[number]) if number < len(beside) else {})}
        for number, each in enumerate(outside if isinstance(outside, list) else [])
    ]


def _record(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(entry: Entry | None, name: str) -> str:
    if entry is None:
        return ""
    value = (entry.payload or {}).get(name, entry.envelope.get(name))
    return value if isinstance(value, str) else ""


def _number(entry: Entry | None, name: str) -> float | None:
    value = entry.envelope.get(name) if entry is not None else None
    return float(value) if isinstance(value, int | float) else None


def _model(entry: Entry | None) -> str:
    if entry is None:
        return ""
    model = entry.envelope.get("model")
    return str(_record(model).get("name") or "") if isinstance(model, dict) else str(model or "")


def _is_erased(entry: Entry) -> bool:
    """An envelope with a commitment whose payload is not there any more."""
    return entry.payload is None and entry.envelope.get("payload_commitment") is not None
