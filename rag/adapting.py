"""Learn from a site's own documents how much each ingredient of retrieval counts there.

No question is written by anybody: a document that says "see Rule 4.2" asks for Rule 4.2, and the
first sentence of a passage asks for its neighbours in the section. What is learned is kept only
where it finds more of such passages on a half that it was not learned on, and is two numbers:
nothing of any text is in them, so that they tell nobody of a document and outlive its erasure.
"""

import hashlib
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from corpus.access import UncheckedChunk
from corpus.documents import ChunkId
from corpus.index import lexicon
from rag.errors import AdaptationInvalid
from rag.fusion import DEFAULT, Weights
from rag.measures import Difference, Figure, differences, figures

MOST_QUESTIONS = 400
FEWEST_QUESTIONS = 60
"""Fewer cannot tell a gain from chance."""
FEWEST_WORDS = 5
TOP = 10
MEASURE = "found"
DENSE_CHOICES = (0.2, 0.3, 0.4, 0.5, 0.6)
CLOSENESS_CHOICES = (0.0, 0.2, 0.4)
_SENTENCE = re.compile(r"[^.!?\n]+(?:\.(?=\d)[^.!?\n]+)*")

Rank = Callable[[Weights, str], Sequence[ChunkId]]
"""Ranks for a question with some weights, best first."""


@dataclass(frozen=True, slots=True)
class SelfQuestion:
    """A sentence of a document, and what it should find.

    Attributes:
        text: The sentence without the numbers of sections in it.
        own: The chunk it stands in, which does not count as found.
        wanted: What it refers to, or stands beside.
    """

    text: str
    own: ChunkId
    wanted: frozenset[ChunkId]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was learned, and what it gains where it was not learned.

    Attributes:
        weights: The best on one half of the self-questions.
        before: Mean reciprocal rank on the other half with the weights as shipped.
        after: The same with the weights learned.
        gain: The difference, question by question.
    """

    weights: Weights
    before: Figure
    after: Figure
    gain: Difference

    @property
    def is_better(self) -> bool:
        """Say whether the gain is more than chance: its whole interval lies above nought."""
        return self.gain.low > 0


def self_questions(versions: Iterator[Sequence[UncheckedChunk]]) -> list[SelfQuestion]:
    """Return what documents ask of themselves, in an order of chance that is always the same.

    Args:
        versions: The chunks of every document, in the order of its text.
    """
    found = [one for chunks in versions for one in (*_referring(chunks), *_beside(chunks))]
    return sorted(found, key=lambda one: _drawn(one.own, one.text))[:MOST_QUESTIONS]


def _referring(chunks: Sequence[UncheckedChunk]) -> Iterator[SelfQuestion]:
    places: defaultdict[str, set[ChunkId]] = defaultdict(set)
    for chunk in chunks:
        heading = chunk.chunk.heading_path[-1] if chunk.chunk.heading_path else ""
        for label in lexicon.labels(heading, chunk.text):
            places[label].add(chunk.chunk_id)
    for chunk in chunks:
        for sentence in _SENTENCE.findall(chunk.text):
            wanted = {
                found for number in lexicon.references(sentence) for found in places.get(number, ())
            }
            text = lexicon.without_references(sentence)
            if chunk.chunk_id not in wanted and wanted and _says_enough(text):
                yield SelfQuestion(text, chunk.chunk_id, frozenset(wanted))


def _beside(chunks: Sequence[UncheckedChunk]) -> Iterator[SelfQuestion]:
    for before, chunk, after in zip(chunks, chunks[1:], chunks[2:], strict=False):
        path = chunk.chunk.heading_path
        first = next(iter(_SENTENCE.findall(chunk.text)), "")
        beside = [one for one in (before, after) if path and one.chunk.heading_path == path]
        if beside and _says_enough(first):
            wanted = frozenset(one.chunk_id for one in beside)
            yield SelfQuestion(lexicon.without_references(first), chunk.chunk_id, wanted)


def _says_enough(text: str) -> bool:
    return sum(1 for _ in lexicon.words(text)) >= FEWEST_WORDS


def _drawn(own: ChunkId, text: str) -> bytes:
    return hashlib.sha256(f"{own}\0{text}".encode("utf-8", "replace")).digest()


def learn(questions: Sequence[SelfQuestion], rank: Rank) -> Lesson:
    """Choose weights on one half of the questions, and measure them on the other.

    Args:
        questions: At least ``FEWEST_QUESTIONS`` of them.
        rank: Ranks within everything that is live.
    """
    choosing, held_out = questions[::2], questions[1::2]
    choices = [
        replace(DEFAULT, dense=dense, closeness=closeness)
        for dense, closeness in itertools.product(DENSE_CHOICES, CLOSENESS_CHOICES)
    ]
    best = max(choices, key=lambda weights: sum(_found(choosing, weights, rank).values()))
    before, after = ({MEASURE: _found(held_out, weights, rank)} for weights in (DEFAULT, best))
    return Lesson(
        weights=best,
        before=figures(before)[MEASURE],
        after=figures(after)[MEASURE],
        gain=differences(after, before)[MEASURE],
    )


def _found(questions: Sequence[SelfQuestion], weights: Weights, rank: Rank) -> dict[str, float]:
    # The chunk that a question was taken from would lend weight to what it refers to.
    apart = replace(weights, reference=0.0)
    return {
        str(number): _reciprocal_rank(one, rank(apart, one.text))
        for number, one in enumerate(questions)
    }


def _reciprocal_rank(question: SelfQuestion, ranked: Sequence[ChunkId]) -> float:
    others = [key for key in ranked[: TOP + 1] if key != question.own][:TOP]
    for place, key in enumerate(others, start=1):
        if key in question.wanted:
            return 1 / place
    return 0.0


def keep(file: Path, lesson: Lesson, *, fingerprint: str, at: datetime) -> None:
    """Keep what was learned, for every later start.

    Args:
        file: Takes the place of what was learned before.
        lesson: What was learned.
        fingerprint: Of the embedding model that it was learned with.
        at: When.
    """
    said = {
        "dense": lesson.weights.dense,
        "closeness": lesson.weights.closeness,
        "fingerprint": fingerprint,
        "learned_at": at.isoformat(),
        "gain": lesson.gain.mean,
    }
    staged = file.with_suffix(".new")
    staged.write_text(json.dumps(said), encoding="utf-8")
    staged.replace(file)


def forget(file: Path) -> None:
    """Undo what was learned, if anything was."""
    file.unlink(missing_ok=True)


def adapted(file: Path, *, fingerprint: str) -> Weights:
    """Return the weights that were learned with an embedding model, else those as shipped.

    Raises:
        AdaptationInvalid: The file is not what ``keep`` writes.
    """
    if not file.exists():
        return DEFAULT
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        dense, closeness = float(said["dense"]), float(said["closeness"])
        learned_with = str(said["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdaptationInvalid(
            f"{file} cannot be read: {error}. Remove it with: muniment adapt --undo"
        ) from error
    if not (0 <= dense <= 1 and 0 <= closeness <= 1):
        raise AdaptationInvalid(
            f"{file} holds weights that are not between 0 and 1. Remove it with: "
            "muniment adapt --undo"
        )
    if learned_with != fingerprint:
        return DEFAULT
    return replace(DEFAULT, dense=dense, closeness=closeness)
