"""Find the sentences that speak to a question, and judge whether they suffice to answer it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from corpus.access import AuthorizedChunk
from rag.wording import (
    NUMBER_WORDS,
    Span,
    inverse_frequencies,
    names,
    numbers,
    sentences,
    terms,
    words,
)

FloatMatrix = npt.NDArray[np.float32]
Embed = Callable[[Sequence[str]], FloatMatrix]
"""Texts to unit vectors, float32[len(texts), dimension]."""

CONTEXT_WEIGHT = 0.75
"""What a question's term counts for that stands only in the heading or title above a sentence."""
SIMILARITY_WEIGHT = 0.5
MISSING_KIND_FACTOR = 0.6
"""A sentence without the kind of thing that is asked for (a sum, a date) is worth this much."""
PASSAGES_READ = 6
SHORTEST_SENTENCE = 3
"""In words. Shorter lines are headings and labels: they lend context and answer nothing."""

MONTHS = frozenset(
    """january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday""".split()
)
PERIODS = frozenset(
    """daily weekly fortnightly monthly quarterly annually annual yearly immediately promptly day
    week month quarter year hour minute working""".split()
)


class Kind(StrEnum):
    """What kind of thing a question asks for."""

    NUMBER = "number"
    DATE = "date"
    PERSON = "person"
    ANY = "any"


_KINDS = (
    (r"\bhow (?:much|many|long|often|old|far|soon|quickly|big|large)\b", Kind.NUMBER),
    (r"\bwhat (?:percentage|proportion|number|rate|sum|amount)\b", Kind.NUMBER),
    (r"\b(?:when|what (?:date|day|time|year)|which (?:date|day|month|year))\b", Kind.DATE),
    (r"\b(?:who|whom|whose)\b", Kind.PERSON),
)


def asked_kind(question: str) -> Kind:
    """Return what kind of thing a question asks for, as far as its wording tells."""
    for pattern, kind in _KINDS:
        if re.search(pattern, question, re.IGNORECASE):
            return kind
    return Kind.ANY


def holds_kind(kind: Kind, text: str) -> bool:
    """Say whether a sentence holds a thing of this kind."""
    lowered = {word.lower() for word in words(text)}
    has_number = bool(numbers(text)) or not lowered.isdisjoint(NUMBER_WORDS)
    match kind:
        case Kind.NUMBER:
            return has_number or not lowered.isdisjoint(PERIODS)
        case Kind.DATE:
            return has_number or not lowered.isdisjoint(MONTHS | PERIODS)
        case Kind.PERSON:
            return bool(names(text)) or bool(lowered & ROLES)
        case Kind.ANY:
            return True


ROLES = frozenset(
    """board chair chairman chief committee department director desk head lead manager officer owner
    partner secretary team""".split()
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of a passage and how well it speaks to the question.

    Attributes:
        passage: Position of its passage among those read, from 0.
        span: Where it stands, in offsets of the version's text.
        text: The sentence.
        coverage: Part of the question's terms (weighed by rarity) that it or its headings hold.
        similarity: Cosine to the question.
        holds_kind: Whether it holds the kind of thing that is asked for.
        score: All of it in one number, 0 to 1.
    """

    passage: int
    span: Span
    text: str
    coverage: float
    similarity: float
    holds_kind: bool
    score: float


@dataclass(frozen=True, slots=True)
class _Line:
    passage: int
    span: Span
    text: str
    context: str


def find_evidence(
    question: str, passages: Sequence[AuthorizedChunk], *, background: Sequence[str], embed: Embed
) -> list[Evidence]:
    """Return the sentences of the passages, the one that speaks best to the question first.

    Args:
        question: As asked.
        passages: Best first; the first few are read sentence by sentence.
        background: Texts that say which of the question's words are rare: all candidates that
            the asker may read.
        embed: Turns texts into unit vectors.
    """
    lines = [
        line
        for number, passage in enumerate(passages[:PASSAGES_READ])
        for line in _lines(number, passage)
    ]
    if not lines:
        return []
    wanted = terms(question)
    weights = inverse_frequencies(wanted, [terms(text) for text in background])
    vectors = embed([question, *(_in_context(line) for line in lines)])
    similarities = vectors[1:] @ vectors[0]
    kind = asked_kind(question)
    evidence = [
        _weigh(line, float(similarity), weights=weights, kind=kind)
        for line, similarity in zip(lines, similarities, strict=True)
    ]
    return sorted(evidence, key=lambda found: (-found.score, found.passage, found.span.start))


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


def _in_context(line: _Line) -> str:
    return f"{line.context}: {line.text}"


def _weigh(line: _Line, similarity: float, *, weights: dict[str, float], kind: Kind) -> Evidence:
    here, above = terms(line.text), terms(line.context)
    total = sum(weights.values()) or 1.0
    covered = sum(
        weight * (1.0 if term in here else CONTEXT_WEIGHT if term in above else 0.0)
        for term, weight in weights.items()
    )
    coverage = covered / total
    fits = holds_kind(kind, line.text)
    score = SIMILARITY_WEIGHT * max(similarity, 0.0) + (1 - SIMILARITY_WEIGHT) * coverage
    return Evidence(
        passage=line.passage,
        span=line.span,
        text=line.text,
        coverage=coverage,
        similarity=similarity,
        holds_kind=fits,
        score=score if fits else score * MISSING_KIND_FACTOR,
    )


SUFFICIENT_SCORE = 0.5
"""The best sentence must reach this for the question to count as answered at all."""
WORTH_QUOTING = 0.85
"""Part of the best sentence's score that another must reach to be shown beside it."""
MAXIMUM_QUOTES = 3


def is_sufficient(evidence: Sequence[Evidence]) -> bool:
    """Say whether the best evidence is good enough to answer from."""
    return bool(evidence) and evidence[0].score >= SUFFICIENT_SCORE


def worth_quoting(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return the sentences that speak to the question almost as well as the best one."""
    if not evidence:
        return []
    floor = WORTH_QUOTING * evidence[0].score
    return [found for found in evidence if found.score >= floor][:MAXIMUM_QUOTES]
