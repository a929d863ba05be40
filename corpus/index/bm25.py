"""What the word index holds of texts: BM25 weights, made in process and without any download."""

import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from corpus.index import lexicon
from corpus.vectors import QuestionTerms, SparseVector, Terms

SATURATION = 0.9
"""The k1 of BM25."""
LENGTH_SHARE = 0.75
"""The b of BM25."""
USUAL_LENGTH = 120.0
"""In terms and pairs. A constant, because an average over the index would tell of documents that
the asker may not read."""
HEADING_WEIGHT = 0.4
"""Of a term in the headings above a chunk, beside 1 in its own text."""
PAIR_WEIGHT = 0.6
"""Of two neighbouring terms of a question, beside 1 for each alone."""
MAXIMUM_CHARACTERS = 20_000
"""Of a question that are read."""


@dataclass(frozen=True, slots=True)
class IndexedText:
    """A chunk as the word index reads it.

    Attributes:
        body: Its own text.
        headings: The headings above it, innermost last.
        names: Title and file name of its document, on the first chunk of a version alone: that
            chunk stands for the document when a question names one.
    """

    body: str
    headings: tuple[str, ...] = ()
    names: str = ""


class Bm25Encoder:
    """Turn texts and questions into term weights: English stems, stop words, pairs of terms.

    Weights of a text carry term frequency and length; the inverse document frequency is
    the index's part.

    Args:
        pair_weight: Of two neighbouring terms of a question; another than the usual for
            measuring alone.
    """

    def __init__(self, *, pair_weight: float = PAIR_WEIGHT) -> None:
        self._pair_weight = pair_weight

    def encode_text(self, text: IndexedText | str) -> Terms:
        """Return what the word index holds of a chunk; its weights are empty without a term."""
        read = IndexedText(text) if isinstance(text, str) else text
        own = _storable(read.body)
        body = lexicon.stems(own)
        counts: defaultdict[str, float] = defaultdict(float)
        _add(counts, body, 1.0)
        for heading in read.headings:
            _add(counts, lexicon.stems(_storable(heading)), HEADING_WEIGHT)
        length = sum(counts.values())
        penalty = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * length / USUAL_LENGTH)
        weights = {
            term: count * (SATURATION + 1) / (count + penalty) for term, count in counts.items()
        }
        names = lexicon.names_of_document(_storable(read.names)) if read.names else set()
        return Terms(
            weights=_sparse(weights),
            names=_sparse(dict.fromkeys(names, 1.0)),
            words=tuple(dict.fromkeys(lexicon.words(own))),
            labels=lexicon.labels(_storable(read.headings[-1]) if read.headings else "", own),
            references=lexicon.references(own),
        )

    def encode_question(self, text: str) -> QuestionTerms:
        """Return the terms of a question; empty when it holds none."""
        asked = _storable(text[:MAXIMUM_CHARACTERS])
        terms = lexicon.stems(asked)[: lexicon.MAXIMUM_WORDS]
        weights = dict.fromkeys(terms, 1.0)
        if self._pair_weight:
            weights = dict.fromkeys(lexicon.pairs(terms), self._pair_weight) | weights
        return QuestionTerms(
            weights=_sparse(weights),
            names=_sparse(lexicon.names_in_question(asked)),
            words=tuple(dict.fromkeys(lexicon.words(asked)))[: lexicon.MAXIMUM_WORDS],
        )


def _storable(text: str) -> str:
    """Return text that every engine takes: no lone surrogates, which file names may bring."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _add(counts: defaultdict[str, float], terms: list[str], weight: float) -> None:
    for term in (*terms, *lexicon.pairs(terms)):
        counts[term] += weight


def _sparse(weights: Mapping[str, float]) -> SparseVector:
    hashed: dict[int, float] = {}
    for term, weight in weights.items():
        index = zlib.crc32(term.encode())
        hashed[index] = max(weight, hashed.get(index, 0.0))
    return SparseVector(tuple(hashed), tuple(hashed.values()))
