"""The index as the rest of the house sees it: what every engine's adapter offers."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from corpus.access import AccessListId
from corpus.documents import ChunkId, DocumentId, VersionId
from corpus.index.filters import (
    ACCESS_LIST,
    DOCUMENT,
    FIRST,
    LATER,
    LIVE,
    PLACE,
    STAGED,
    STATE,
    VERSION,
)
from corpus.vectors import FloatVector, QuestionTerms, Terms

BATCH_POINTS = 256
"""Points written in one call: the embedded engine holds every other thread up meanwhile."""

LAYOUT = 2
"""Of what is stored with a point; an index of another layout is made anew."""

DENSE = "dense"
SPARSE = "sparse"
NAMES = "names"

WORDS = "words"
LABELS = "labels"
REFERENCES = "references"
FACTS = (DOCUMENT, WORDS, LABELS, REFERENCES)
"""What a search brings back of a point besides its score."""

NAMED_DOCUMENTS = 32
"""The most documents that a question is taken to name."""

Payload: TypeAlias = dict[str, str | int]
Scores: TypeAlias = Mapping[ChunkId, float]


@dataclass(frozen=True, slots=True)
class Point:
    """A chunk as the index holds it.

    Attributes:
        chunk_id: Its id, a UUID.
        document_id: Document it belongs to.
        version_id: Version it was cut from.
        access_list: Who may find it.
        dense: Unit vector of its meaning.
        sparse: What the word index holds of it.
        live: Whether searches may find it already.
    """

    chunk_id: ChunkId
    document_id: DocumentId
    version_id: VersionId
    access_list: AccessListId
    dense: FloatVector
    sparse: Terms
    live: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the index knows of a chunk besides its vectors.

    Attributes:
        document_id: Document it belongs to.
        words: Its words that carry meaning, each once, with spaces between: most are never read.
        labels: Numbers of the sections it is or begins.
        references: Numbers of the sections it refers to.
    """

    document_id: DocumentId
    words: str = ""
    labels: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scored:
    """A chunk that a search found, higher scores being better within one ranking."""

    chunk_id: ChunkId
    score: float
    facts: Facts = field(default=Facts(DocumentId("")), compare=False)


@dataclass(frozen=True, slots=True)
class Rankings:
    """What each retriever found, best first, and what it makes of what the other found.

    Both hold the same chunks: each retriever's best, and behind them, scored all the same, those
    that only the other has among its best.

    Attributes:
        dense: Chunks by meaning.
        sparse: Chunks by words; 0 for one that holds no word of the question.
        documents: First chunks of the documents whose title or file name the question names.
    """

    dense: list[Scored]
    sparse: list[Scored]
    documents: list[Scored] = field(default_factory=list)


class VectorIndex(Protocol):
    """Points that can be searched by meaning and by words, always within access lists.

    Every method raises ``corpus.errors.IndexUnavailable`` when the engine does not answer.
    """

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points; those with a known id are replaced."""

    def rankings(
        self,
        *,
        dense: FloatVector,
        sparse: QuestionTerms,
        access_lists: Collection[AccessListId],
        limit: int,
        documents: Collection[DocumentId] | None = None,
    ) -> Rankings:
        """Return the live points nearest to a question, by meaning and by words.

        Term weights are computed over the points that the access lists admit and no others,
        so that neither scores nor order tell anything of documents the asker may not read;
        those of names over the first chunks among them.

        Args:
            dense: Unit vector of the question.
            sparse: Terms of the question.
            access_lists: The lists that admit the asker. Without any, nothing is found and
                the engine is not asked.
            limit: The most points that each ranking finds.
            documents: Search in these only; None means in all. Names are looked for only then.
        """

    def make_live(self, version_id: VersionId) -> None:
        """Let searches find the points of a version."""

    def remove_version(self, version_id: VersionId) -> None:
        """Remove the points of a version; does nothing when there are none."""

    def remove_chunks(self, chunk_ids: Sequence[ChunkId]) -> None:
        """Remove some points; does nothing for those that are not there."""

    def set_access_list(self, document_id: DocumentId, access_list: AccessListId) -> None:
        """Put every point of a document under another access list."""

    def count(self) -> int:
        """Return how many points there are, live or not."""

    def versions(self, *, live: bool | None = None) -> set[VersionId]:
        """Return the versions that have points: live ones, staged ones, or all for None."""

    def flush(self) -> None:
        """Return once everything written survives a power cut."""

    def close(self) -> None:
        """Flush and let go of the engine; other calls fail from now on."""


def batches(points: Sequence[Point]) -> Iterator[Sequence[Point]]:
    """Yield the points in order, at most ``BATCH_POINTS`` at a time."""
    for start in range(0, len(points), BATCH_POINTS):
        yield points[start : start + BATCH_POINTS]


def payload_of(point: Point) -> Payload:
    """Return what is stored with a point besides its vectors."""
    return {
        STATE: LIVE if point.live else STAGED,
        ACCESS_LIST: point.access_list,
        DOCUMENT: point.document_id,
        VERSION: point.version_id,
        PLACE: FIRST if point.sparse.names.indices else LATER,
        WORDS: " ".join(point.sparse.words),
        LABELS: " ".join(point.sparse.labels),
        REFERENCES: " ".join(point.sparse.references),
    }


def facts_of(payload: Mapping[str, object]) -> Facts:
    """Return what ``payload_of`` stored of a chunk's facts."""
    labels, references = payload.get(LABELS), payload.get(REFERENCES)
    return Facts(
        DocumentId(str(payload.get(DOCUMENT, ""))),
        str(payload.get(WORDS, "")),
        tuple(str(labels).split()) if labels else (),
        tuple(str(references).split()) if references else (),
    )


def completed(
    found: Sequence[Scored], other: Sequence[Scored], score: Callable[[Sequence[ChunkId]], Scores]
) -> list[Scored]:
    """Return a ranking with the chunks behind it that only the other one found.

    Args:
        found: The ranking; nothing is behind one that found nothing.
        other: The other one.
        score: Scores some chunks by this ranking; one that it leaves out counts 0.
    """
    known = {one.chunk_id for one in found}
    missing = {one.chunk_id: one for one in other if one.chunk_id not in known}
    if not found or not missing:
        return list(found)
    scores = score(list(missing))
    more = [Scored(key, scores.get(key, 0.0), one.facts) for key, one in missing.items()]
    return [*found, *best_first(more)]


def nothing_to_search(
    access_lists: Collection[AccessListId], documents: Collection[DocumentId] | None
) -> bool:
    """Say whether a search can find nothing whatever the engine holds."""
    return not access_lists or (documents is not None and not documents)


def best_first(found: Sequence[Scored]) -> list[Scored]:
    """Order by score, equal scores by chunk id, so that every engine gives one order."""
    return sorted(found, key=lambda scored: (-scored.score, scored.chunk_id))
