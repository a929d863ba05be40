"""Find the sentences that speak to a question, and judge whether they suffice to answer it."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
import numpy.typing as npt

from corpus.access import AuthorizedChunk, UncheckedChunk
from corpus.documents import ChunkId, VersionId
from rag.judging import Pair, Weigh
from rag.wanted import about, fits
from rag.wording import Span, is_row, numbers, sentences, terms, words

FloatMatrix = npt.NDArray[np.float32]
HalfMatrix = npt.NDArray[np.float16]
Embed = Callable[[Sequence[str]], FloatMatrix]
"""Texts to unit vectors, float32[len(texts), dimension]."""
EmbedOne = Callable[[str], npt.NDArray[np.float32]]
"""A question to its unit vector, float32[dimension]."""

KEPT_CHUNKS = 20_000
"""Chunks whose sentence vectors are kept: some 150 MB at ten sentences of 384 numbers each, in 16
bits."""

COVERAGE_WEIGHT = 0.3
"""Weight of the shared terms beside the similarity, which counts 1."""
JUDGED_WEIGHT = 1.2
"""Weight of the judge's finding that the sentence answers. All of these were chosen on the
development questions, see `docs/quality.md`."""
KIND_WEIGHT = 0.15
"""Weight of whether the sentence holds the kind of thing that is asked for."""
ABOUT_ANOTHER = 0.3
"""Taken off where nothing read of the document holds some name or number of the question."""
JUDGED = 4
"""Sentences that the judge reads: those that speak best to the question without it."""
HIGHEST_SCORE = 1 + COVERAGE_WEIGHT + JUDGED_WEIGHT + KIND_WEIGHT
SUFFICIENT_SCORE = 1.05
"""The best sentence must reach this for a question to be answered."""
LEAST_OPEN, MOST_OPEN = 0.7, 1.7
"""Between these the best sentence's score leaves open whether it answers: the larger judge, where
there is one, reads the same sentences once more, and its finding takes the first one's place."""
SUFFICIENT_AGAIN = 0.98
"""What the best sentence must reach after that."""
WORTH_QUOTING = 0.85
"""Part of the best sentence's score that another must reach to be shown beside it."""
MAXIMUM_QUOTES = 3
SHORTEST_SENTENCE = 3
"""In words. Shorter lines are labels: like headings, and questions that a document puts itself,
they lend context and answer nothing."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of a passage and how well it speaks to the question.

    Attributes:
        passage: Position of its passage among those read, from 0.
        span: Where it stands, in offsets of the version's text.
        text: The sentence.
        coverage: Part of the question's terms that it and the headings above it hold.
        similarity: Cosine to the question, of the sentence with its headings.
        answers: How likely the judge finds that it answers, 0 to 1; 0 where it was not asked.
        kind: 1 where it holds the kind of thing that is asked for, -1 where it does not, 0 where
            no such kind is asked for.
        about_another: Some name or number of the question is nowhere in what was read of its
            document.
        again: The larger judge has looked at the question too.
    """

    passage: int
    span: Span
    text: str
    coverage: float
    similarity: float
    answers: float = 0.0
    kind: int = 0
    about_another: bool = False
    again: bool = False

    @property
    def score(self) -> float:
        """Return all in one number: at most HIGHEST_SCORE, below 0 for no relation."""
        return (
            self.similarity
            + COVERAGE_WEIGHT * self.coverage
            + JUDGED_WEIGHT * self.answers
            + KIND_WEIGHT * self.kind
            - ABOUT_ANOTHER * self.about_another
        )


@dataclass(frozen=True, slots=True)
class _Line:
    passage: int
    span: Span
    text: str
    context: str
    above: str

    def in_context(self) -> str:
        return f"{self.context}: {self.text}"

    def as_taught(self) -> str:
        """Return it as the judge was taught to read: title, heading, text."""
        return f"{self.above}. {self.text}"


class EvidenceFinder:
    """Finds the sentences that speak to a question; remembers the vectors of those it has read.

    A chunk's sentences do not change, so a question over passages that were read before embeds
    nothing but the question. What comes out is about chunks that the gate has let through.

    Args:
        embed: Embeds sentences.
        weigh: The judge; None leaves it out.
        weigh_again: The larger judge, for what the first leaves open; None while there is none.
        embed_question: Embeds a question, where there is a quicker way for one text.
    """

    def __init__(
        self,
        embed: Embed,
        weigh: Weigh | None = None,
        *,
        weigh_again: Callable[[], Weigh | None] = lambda: None,
        embed_question: EmbedOne | None = None,
    ) -> None:
        self._embed = embed
        self._embed_question = embed_question or (lambda question: embed([question])[0])
        self._weigh = weigh
        self._weigh_again = weigh_again
        self._kept: OrderedDict[ChunkId, HalfMatrix] = OrderedDict()
        self._lock = Lock()

    def find(self, question: str, passages: Sequence[AuthorizedChunk]) -> list[Evidence]:
        """Return the sentences of some passages, the one that speaks best to a question first."""
        wanted = terms(question)
        lines = [_lines(number, passage.found) for number, passage in enumerate(passages)]
        vectors = self._vectors([passage.found.chunk_id for passage in passages], lines)
        asked = self._embed_question(question)
        elsewhere = _about_another(question, passages)
        spoken = [
            (
                line,
                Evidence(
                    passage=line.passage,
                    span=line.span,
                    text=line.text,
                    coverage=len(wanted & terms(line.in_context())) / max(len(wanted), 1),
                    similarity=float(vector @ asked),
                    kind=fits(question, line.text),
                    about_another=line.passage in elsewhere,
                ),
            )
            for own_lines, rows in zip(lines, vectors, strict=True)
            for line, vector in zip(own_lines, rows, strict=True)
        ]
        spoken.sort(key=lambda each: _best_first(each[1]))
        best, rest = spoken[:JUDGED], [each for _, each in spoken[JUDGED:]]
        found = sorted([*_judged(self._weigh, question, best), *rest], key=_best_first)
        again = self._weigh_again() if _is_open(found) else None
        if again is None:
            return found
        judged = [*_judged(again, question, best), *rest]
        return sorted((replace(each, again=True) for each in judged), key=_best_first)

    def alike(self, text: str, others: Sequence[str]) -> list[float]:
        """Return how near each of some sentences is in meaning to another, as a cosine.

        The sentences alone, without the headings above them, which those of two editions share.
        """
        vectors = self._embed([text, *others])
        return [float(one) for one in vectors[1:] @ vectors[0]]

    def read_ahead(self, chunks: Sequence[UncheckedChunk]) -> None:
        """Embed the sentences of chunks before they are asked for; nothing of them is handed out.

        So how long an answer takes does not tell whether somebody else has asked for the same.
        """
        lines = [_lines(number, chunk) for number, chunk in enumerate(chunks)]
        self._vectors([chunk.chunk_id for chunk in chunks], lines)

    def forget(self, chunk_ids: Sequence[ChunkId]) -> None:
        """Drop what is kept of chunks that are not read any more."""
        with self._lock:
            for chunk_id in chunk_ids:
                self._kept.pop(chunk_id, None)

    def _vectors(
        self, chunk_ids: Sequence[ChunkId], lines: Sequence[Sequence["_Line"]]
    ) -> list[HalfMatrix]:
        with self._lock:
            known = {key: self._kept[key] for key in chunk_ids if key in self._kept}
        new = [place for place, key in enumerate(chunk_ids) if key not in known]
        texts = [line.in_context() for place in new for line in lines[place]]
        rows = self._embed(texts).astype(np.float16) if texts else np.zeros((0, 0), np.float16)
        start = 0
        for place in new:
            end = start + len(lines[place])
            known[chunk_ids[place]] = rows[start:end]
            start = end
        with self._lock:
            for key in chunk_ids:
                self._kept[key] = known[key]
                self._kept.move_to_end(key)
            while len(self._kept) > KEPT_CHUNKS:
                self._kept.popitem(last=False)
        return [known[key] for key in chunk_ids]


def _judged(
    weigh: Weigh | None, question: str, spoken: Sequence[tuple[_Line, Evidence]]
) -> list[Evidence]:
    if weigh is None:
        return [each for _, each in spoken]
    verdicts = weigh([Pair(question, line.as_taught(), is_question=True) for line, _ in spoken])
    return [
        replace(each, answers=verdict.bears_out)
        for (_, each), verdict in zip(spoken, verdicts, strict=True)
    ]


def _is_open(found: Sequence[Evidence]) -> bool:
    return bool(found) and LEAST_OPEN <= found[0].score < MOST_OPEN


def _best_first(found: Evidence) -> tuple[float, int, int]:
    return -found.score, found.passage, found.span.start


def passage_match(evidence: Sequence[Evidence], passage: int) -> float:
    """Return how well a passage's best sentence speaks to the question, 0 to 1."""
    scores = [found.score for found in evidence if found.passage == passage]
    return min(max(max(scores, default=0.0) / HIGHEST_SCORE, 0.0), 1.0)


def is_sufficient(evidence: Sequence[Evidence]) -> bool:
    """Say whether the best evidence is good enough to answer from."""
    if not evidence:
        return False
    return evidence[0].score >= (SUFFICIENT_AGAIN if evidence[0].again else SUFFICIENT_SCORE)


def worth_quoting(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return the sentences that speak to the question almost as well as the best one."""
    if not evidence:
        return []
    floor = WORTH_QUOTING * evidence[0].score
    return [found for found in evidence if found.score >= floor][:MAXIMUM_QUOTES]


def _about_another(question: str, passages: Sequence[AuthorizedChunk]) -> set[int]:
    """Return the passages of documents of which nothing that was read holds some wanted name."""
    wanted = about(question)
    if not wanted:
        return set()
    held: dict[VersionId, set[str]] = {}
    for passage in passages:
        found = passage.found
        own = [found.title, *found.chunk.heading_path, found.chunk.context, found.text]
        held.setdefault(found.version_id, set()).update(terms(" ".join(own)))
    return {
        number
        for number, passage in enumerate(passages)
        if not wanted <= held[passage.found.version_id]
    }


def _lines(number: int, found: UncheckedChunk) -> list[_Line]:
    heading = ". ".join([found.title, *found.chunk.heading_path[-1:]])
    headings = {found.title, *found.chunk.heading_path}
    lines: list[_Line] = []
    lead_in = ""
    for span in sentences(found.text):
        if found.is_suspicious(span.start, span.end):
            continue
        text = span.of(found.text)
        if text in headings:
            continue
        if text.endswith("?"):
            lead_in = text
            continue
        if len(words(text)) >= SHORTEST_SENTENCE or numbers(text):
            shifted = Span(span.start + found.chunk.start, span.end + found.chunk.start)
            columns = found.chunk.context if is_row(text) else ""
            every = [found.title, *found.chunk.heading_path, columns, lead_in]
            lines.append(
                _Line(
                    passage=number,
                    span=shifted,
                    text=text,
                    context=" ".join(filter(None, every)),
                    above=". ".join(filter(None, [heading, columns, lead_in])),
                )
            )
        if text.endswith(":"):
            lead_in = text
    return lines
