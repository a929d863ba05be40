"""Find the sentences that speak to a question, and judge whether they suffice to answer it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpus.access import AuthorizedChunk
from rag.wording import Span, numbers, sentences, terms, words

FloatMatrix = npt.NDArray[np.float32]
Embed = Callable[[Sequence[str]], FloatMatrix]
"""Texts to unit vectors, float32[len(texts), dimension]."""

COVERAGE_WEIGHT = 0.3
"""Weight of the shared terms beside the similarity, which counts 1. What else was tried to part
the answerable from the unanswerable, and did not do better, is in `docs/quality.md`."""
SUFFICIENT_SCORE = 0.64
"""The best sentence must reach this for a question to be answered; chosen on the development
questions d01 to d40, of which it refuses 3 of 28 answerable and 9 of 12 unanswerable ones."""
WORTH_QUOTING = 0.85
"""Part of the best sentence's score that another must reach to be shown beside it."""
MAXIMUM_QUOTES = 3
SHORTEST_SENTENCE = 3
"""In words. Shorter lines are headings and labels: they lend context and answer nothing."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of a passage and how well it speaks to the question.

    Attributes:
        passage: Position of its passage among those read, from 0.
        span: Where it stands, in offsets of the version's text.
        text: The sentence.
        coverage: Part of the question's terms that it and the headings above it hold.
        similarity: Cosine to the question, of the sentence with its headings.
    """

    passage: int
    span: Span
    text: str
    coverage: float
    similarity: float

    @property
    def score(self) -> float:
        """Return both in one number: at most 1 + COVERAGE_WEIGHT, below 0 for no relation."""
        return self.similarity + COVERAGE_WEIGHT * self.coverage


@dataclass(frozen=True, slots=True)
class _Line:
    passage: int
    span: Span
    text: str
    context: str

    def in_context(self) -> str:
        return f"{self.context}: {self.text}"


def find_evidence(
    question: str, passages: Sequence[AuthorizedChunk], *, embed: Embed
) -> list[Evidence]:
    """Return the sentences of some passages, the one that speaks best to the question first.

    Args:
        question: As asked.
        passages: Each is read sentence by sentence.
        embed: Turns texts into unit vectors.
    """
    lines = [line for number, passage in enumerate(passages) for line in _lines(number, passage)]
    if not lines:
        return []
    wanted = terms(question)
    vectors = embed([question, *(line.in_context() for line in lines)])
    evidence = [
        Evidence(
            passage=line.passage,
            span=line.span,
            text=line.text,
            coverage=len(wanted & terms(line.in_context())) / max(len(wanted), 1),
            similarity=float(similarity),
        )
        for line, similarity in zip(lines, vectors[1:] @ vectors[0], strict=True)
    ]
    return sorted(evidence, key=lambda found: (-found.score, found.passage, found.span.start))


def passage_match(evidence: Sequence[Evidence], passage: int) -> float:
    """Return how well a passage's best sentence speaks to the question, 0 to 1."""
    scores = [found.score for found in evidence if found.passage == passage]
    return min(max(max(scores, default=0.0) / (1 + COVERAGE_WEIGHT), 0.0), 1.0)


def is_sufficient(evidence: Sequence[Evidence]) -> bool:
    """Say whether the best evidence is good enough to answer from."""
    return bool(evidence) and evidence[0].score >= SUFFICIENT_SCORE


def worth_quoting(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return the sentences that speak to the question almost as well as the best one."""
    if not evidence:
        return []
    floor = WORTH_QUOTING * evidence[0].score
    return [found for found in evidence if found.score >= floor][:MAXIMUM_QUOTES]


def _lines(number: int, passage: AuthorizedChunk) -> list[_Line]:
    found = passage.found
    above = " ".join([found.title, *found.chunk.heading_path, found.chunk.context])
    lines: list[_Line] = []
    lead_in = ""
    for span in sentences(found.text):
        text = span.of(found.text)
        if len(words(text)) >= SHORTEST_SENTENCE or numbers(text):
            shifted = Span(span.start + found.chunk.start, span.end + found.chunk.start)
            lines.append(_Line(number, shifted, text, f"{above} {lead_in}".strip()))
        if text.endswith(":"):
            lead_in = text
    return lines
