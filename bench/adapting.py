"""What `muniment adapt` learns and gains: on ObliQA's passages, and on the sample documents.

    python -m bench adapting

It learns from the passages alone. Where a collection has questions of its own they are asked
afterwards, with the weights as shipped and with those learned; nothing is learned from them.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench import evaluation_sets as sets
from corpus.access import UncheckedChunk
from corpus.documents import Chunk, ChunkId, DocumentId, VersionId
from muniment.adapt_commands import ranking_over
from muniment.assembly import open_house
from muniment.evaluate_retrieval import (
    EVERYONE,
    Indexed,
    Options,
    Passages,
    bring_in,
    indexed,
    measure_indexed,
    passage_id,
    read_passages,
)
from muniment.settings import CHECKOUT, Settings, load_settings
from rag.adapting import FEWEST_QUESTIONS, Lesson, learn, self_questions
from rag.fusion import DEFAULT, Weights
from rag.measures import differences, figures

MEASURES = ("Recall@10", "MAP@10")

console = Console(highlight=False, width=120)


def main() -> None:
    """Learn on both collections and print what was learned, and what it gains."""
    settings = load_settings()
    _samples(settings)
    data = sets.data_folder()
    if data is None:
        console.print("ObliQA is left out: MUNIMENT_EVAL_DATA names no folder.")
    else:
        with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
            _obliqa(settings, read_passages(sets.write_obliqa(data, Path(folder))))


def _samples(settings: Settings) -> None:
    folder = CHECKOUT / "samples" / "documents"
    keep = settings.data / "cache" / "evaluation" / "samples"
    keep.mkdir(parents=True, exist_ok=True)
    own = settings.model_copy(update={"data": keep, "model_off": True, "qdrant_url": ""})
    with open_house(own, worker=True) as house:
        bring_in(house, folder)
        versions = sorted(house.catalog.live_versions(), key=lambda one: one.version_id)
        asked = self_questions(house.catalog.chunks_of(one.version_id) for one in versions)
        lesson = learn(asked, ranking_over(house)) if len(asked) >= FEWEST_QUESTIONS else None
    _print("samples", len(asked), lesson)


def _obliqa(settings: Settings, passages: Passages) -> None:
    options = Options(DEFAULT, None, settings.data / "cache" / "vectors.db")
    with indexed(passages.rows, settings, options) as there:
        asked = self_questions(iter(list(_documents(passages))))
        lesson = learn(asked, lambda weights, text: _ranked(there, weights, text, options))
        _print("ObliQA's passages", len(asked), lesson)
        if lesson.weights == DEFAULT:
            return
        learned = Options(lesson.weights, options.half, options.vectors)
        before, after = (measure_indexed(there, passages, one).values for one in (options, learned))
        changed = differences(after, before)
        for measure in MEASURES:
            console.print(
                f"ObliQA's own questions, {measure}: {figures(before)[measure].mean:.4f} as "
                f"shipped, {figures(after)[measure].mean:.4f} with what was learned "
                f"({changed[measure].low:+.4f} to {changed[measure].high:+.4f})"
            )


def _documents(passages: Passages) -> Iterator[list[UncheckedChunk]]:
    """Yield the passages of every document as chunks, in their order."""
    documents: defaultdict[str, list[UncheckedChunk]] = defaultdict(list)
    for row in passages.rows:
        metadata, text = row["metadata"], str(row["text"])
        document = str(metadata["document"]) if isinstance(metadata, dict) else ""
        own = documents[document]
        own.append(
            UncheckedChunk(
                chunk_id=passage_id(row),
                document_id=DocumentId(document),
                version_id=VersionId(document),
                version_number=1,
                title=document,
                path=document,
                source_name="ObliQA",
                chunk=Chunk(len(own), 0, len(text), tuple(str(row["title"]).split(" \u203a "))),
                text=text,
            )
        )
    yield from documents.values()


def _ranked(there: Indexed, weights: Weights, text: str, options: Options) -> list[ChunkId]:
    ranker = there.ranker(Options(weights, options.half, options.vectors))
    return [one.chunk_id for one in ranker.rank(text, access_lists={EVERYONE})]


def _print(name: str, questions: int, lesson: Lesson | None) -> None:
    if lesson is None:
        console.print(f"{name}: {questions} questions asked of itself, too few to learn from")
        return
    table = Table(
        "Asked of itself", "Meaning", "Word by word", "As shipped", "Learned",
        "Gain on the other half", "Kept", title=f"muniment adapt: {name}",
    )  # fmt: skip
    table.add_row(
        str(questions),
        f"{lesson.weights.dense:.1f}",
        f"{lesson.weights.closeness:.1f}",
        f"{lesson.before.mean:.3f}",
        f"{lesson.after.mean:.3f}",
        f"{lesson.gain.mean:+.3f} ({lesson.gain.low:+.3f} to {lesson.gain.high:+.3f})",
        "yes" if lesson.is_better else "no",
    )
    console.print(table)
