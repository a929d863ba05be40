"""How close the words of a chunk come to those of a question, one by one.

Late interaction with vectors of words instead of tokens in their context: every word of the
question is answered by the closest word of the chunk. On the ObliQA development questions this
gained as much as the model's token vectors in context, which need 8 kB a chunk; this needs none.
"""

from collections.abc import Sequence

import numpy as np

from corpus.word_vectors import WordVectors

MAXIMUM_QUESTION_WORDS = 64
"""More would take time in proportion and blur what is asked."""


def closeness(
    question: Sequence[str], chunks: Sequence[Sequence[str]], *, vectors: WordVectors
) -> list[float]:
    """Return for every chunk the mean closeness of the question's words, -1 to 1.

    Args:
        question: Its words that carry meaning, each once.
        chunks: The same of every chunk; 0 is returned for one that has none.
        vectors: Where words become vectors.
    """
    asked = list(question)[:MAXIMUM_QUESTION_WORDS]
    if not asked or not chunks:
        return [0.0] * len(chunks)
    rows = vectors.places_of([asked, *chunks])
    filled = [place for place, row in enumerate(rows[1:]) if len(row)]
    if not filled:
        return [0.0] * len(chunks)
    together = np.concatenate([rows[1 + place] for place in filled])
    distinct, back = np.unique(together, return_inverse=True)
    # A row for every word of the chunks: rows that lie together are gathered several times faster.
    similar = vectors.vectors(distinct) @ vectors.vectors(rows[0]).T
    starts = np.cumsum([0, *(len(rows[1 + place]) for place in filled[:-1])])
    best = np.maximum.reduceat(similar[back], starts, axis=0).mean(axis=1)
    found = [0.0] * len(chunks)
    for place, value in zip(filled, best.tolist(), strict=True):
        found[place] = value
    return found
