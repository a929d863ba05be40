"""Measures of retrieval against what is known to be relevant, with their uncertainty.

Recall, MAP, nDCG and MRR are ir-measures' (trec_eval's definitions); what finds documents, pages
and characters is counted here.
"""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import ir_measures
import numpy as np

RESAMPLES = 2_000
MEASURES = {
    "Recall@5": ir_measures.R @ 5,
    "Recall@10": ir_measures.R @ 10,
    "Recall@50": ir_measures.R @ 50,
    "Recall@100": ir_measures.R @ 100,
    "MAP@10": ir_measures.AP @ 10,
    "nDCG@10": ir_measures.nDCG @ 10,
    "MRR@10": ir_measures.RR @ 10,
}
ALL_AT_10 = "All@10"
_CAPTIONS = {measure: name for name, measure in MEASURES.items()}
_LETTER = re.compile(r"[^\W_]")

Values = dict[str, dict[str, float]]
"""Measure, then question, then value; questions it does not apply to are missing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over questions.

    Attributes:
        mean: The mean.
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end.
        questions: How many it is over.
    """

    mean: float
    low: float
    high: float
    questions: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How a measure changed between two runs over the same questions.

    Attributes:
        mean: This run minus the other.
        low: Lower end of its 95 % paired bootstrap interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the answer to a question stands; what is not known is None.

    Attributes:
        document: Path of the file.
        page: From 0.
        span: Offsets in the document's text.
    """

    document: str
    page: int | None = None
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A passage that was found: its document, its page and its offsets in the text."""

    document: str
    page: int | None
    start: int
    end: int


def measured(
    relevant: Mapping[str, Mapping[str, int]], found: Mapping[str, Mapping[str, float]]
) -> Values:
    """Return every measure of every question that has something relevant.

    Args:
        relevant: Question, then passage, then grade; above 0 is relevant.
        found: Question, then passage, then score.
    """
    judged = {
        question: dict(grades) for question, grades in relevant.items() if any(grades.values())
    }
    runs = {question: dict(found.get(question) or {"": 0.0}) for question in judged}
    values: Values = {name: {} for name in (*MEASURES, ALL_AT_10)}
    for one in ir_measures.iter_calc(list(MEASURES.values()), judged, runs):
        values[_CAPTIONS[one.measure]][one.query_id] = float(one.value)
    values[ALL_AT_10] = {
        question: float(value >= 1.0 - 1e-9) for question, value in values["Recall@10"].items()
    }
    return values


def measured_in_files(
    evidence: Mapping[str, Sequence[Evidence]],
    found: Mapping[str, Sequence[Retrieved]],
    *,
    depths: Sequence[int] = (5, 10),
    span_depths: Sequence[int] = (1, 10, 64),
) -> Values:
    """Return what part of the documents, pages and characters was found, for every question.

    Character precision is the part of the characters retrieved that are evidence, recall the
    part of the evidence retrieved; coverage is the part of the quoted pieces found whole.
    """
    values: Values = {}

    def note(name: str, question: str, value: float) -> None:
        values.setdefault(name, {})[question] = value

    for question, pieces in evidence.items():
        passages = list(found.get(question, ()))
        documents = {piece.document for piece in pieces}
        pages = {(piece.document, piece.page) for piece in pieces if piece.page is not None}
        for depth in depths:
            top = passages[:depth]
            note(f"DocRec@{depth}", question, _part(documents, {one.document for one in top}))
            if pages:
                seen = {(one.document, one.page) for one in top}
                note(f"PageRec@{depth}", question, _part(pages, seen))
        spans = [(piece.document, *piece.span) for piece in pieces if piece.span is not None]
        for depth in span_depths if spans else ():
            precision, recall, covered = _characters(spans, passages[:depth])
            note(f"CharPrec@{depth}", question, precision)
            note(f"CharRec@{depth}", question, recall)
            note(f"Covered@{depth}", question, covered)
    return values


def _part(wanted: AbstractSet[object], seen: AbstractSet[object]) -> float:
    return len(wanted & seen) / len(wanted)


def _characters(
    spans: Sequence[tuple[str, int, int]], top: Sequence[Retrieved]
) -> tuple[float, float, float]:
    retrieved = sum(one.end - one.start for one in top)
    hits = [
        sum(
            max(0, min(end, one.end) - max(start, one.start))
            for one in top
            if one.document == document
        )
        for document, start, end in spans
    ]
    lengths = [max(end - start, 1) for _, start, end in spans]
    whole = sum(hit >= length * 0.999 for hit, length in zip(hits, lengths, strict=True))
    return (
        sum(hits) / retrieved if retrieved else 0.0,
        sum(hits) / sum(lengths),
        whole / len(spans),
    )


def figures(values: Values, *, seed: int = 0) -> dict[str, Figure]:
    """Return the mean of every measure with its 95 % bootstrap interval over questions."""
    return {name: _figure(list(by.values()), seed) for name, by in values.items() if by}


def differences(values: Values, other: Values, *, seed: int = 0) -> dict[str, Difference]:
    """Return how every measure differs from another run's, over the questions both have."""
    found = {}
    for name, by in values.items():
        shared = sorted(by.keys() & other.get(name, {}).keys())
        if shared:
            gaps = _figure([by[key] - other[name][key] for key in shared], seed)
            found[name] = Difference(gaps.mean, gaps.low, gaps.high)
    return found


def _figure(values: Sequence[float], seed: int) -> Figure:
    known = np.array(values)
    drawn = np.random.default_rng(seed).integers(0, len(known), (RESAMPLES, len(known)))
    means = known[drawn].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(float(known.mean()), float(low), float(high), len(known))


class Locator:
    """Finds quoted text in a document whose spaces, line breaks and punctuation may differ."""

    def __init__(self, text: str) -> None:
        self._places = [found.start() for found in _LETTER.finditer(text)]
        self._letters = "".join(text[place].lower()[:1] for place in self._places)

    def find(self, quote: str, *, near: float = 0.0) -> tuple[int, int] | None:
        """Return the offsets of a quote, of several the one nearest to a place.

        Args:
            quote: As somebody copied it.
            near: Where it should stand, as a part of the text from 0 to 1.
        """
        letters = "".join(found[0].lower()[:1] for found in _LETTER.finditer(quote))
        if not letters:
            return None
        starts = []
        place = self._letters.find(letters)
        while place >= 0:
            starts.append(place)
            place = self._letters.find(letters, place + 1)
        if not starts:
            return None
        best = min(starts, key=lambda start: abs(start - near * len(self._letters)))
        return self._places[best], self._places[best + len(letters) - 1] + 1


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of the values does not exceed; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
