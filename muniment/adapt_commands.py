"""The command ``adapt``."""

from contextlib import closing

import click
from rich.console import Console
from rich.table import Table

from audit.events import RetrievalAdapted
from corpus.documents import ChunkId
from muniment.assembly import House, adaptation_file, load_word_vectors, open_house
from muniment.settings import Settings
from muniment.stores import open_record, utc_now
from muniment.terminal import ExitCode, example, operator
from rag.adapting import (
    FEWEST_QUESTIONS,
    Lesson,
    Rank,
    forget,
    keep,
    learn,
    self_questions,
)
from rag.fusion import DEFAULT, Weights
from rag.ranking import Ranker


@click.command(epilog=example("muniment adapt", "muniment adapt --undo"))
@click.option("--undo", is_flag=True, help="Go back to the weights as shipped.")
@click.pass_context
def adapt(context: click.Context, *, undo: bool) -> None:
    """Learn from the documents themselves how much meaning and words count in a search.

    No question is needed and nothing leaves the machine. What is learned is kept only where it
    finds more on documents' own references that it was not learned on; it is two numbers, holds
    nothing of any text, and counts from the next start. Ends with 1 when nothing is kept.
    """
    settings: Settings = context.obj
    file = adaptation_file(settings)
    if undo:
        if not file.exists():
            click.echo("There was nothing to undo.")
            return
        with closing(open_record(settings)) as record:
            record.append(_event(DEFAULT, "undone"))
        forget(file)
        click.echo("The weights are those as shipped, from the next start.")
        return
    with open_house(settings, worker=False) as house:
        versions = sorted(house.catalog.live_versions(), key=lambda one: one.version_id)
        questions = self_questions(house.catalog.chunks_of(one.version_id) for one in versions)
        if len(questions) < FEWEST_QUESTIONS:
            click.echo(
                f"The documents ask {len(questions)} things of themselves; {FEWEST_QUESTIONS} are "
                "needed to tell a gain from chance. The weights stay as they are."
            )
            context.exit(ExitCode.NOT_DONE)
        lesson = learn(questions, ranking_over(house))
        _print(lesson, len(questions))
        if not lesson.is_better:
            click.echo("That is no more than chance. The weights stay as they are.")
            context.exit(ExitCode.NOT_DONE)
        house.record.append(_event(lesson.weights, f"gain {lesson.gain.mean:+.3f}"))
        keep(file, lesson, fingerprint=house.embedder.fingerprint, at=utc_now())
    click.echo("Kept; it counts from the next start. Undo it with: muniment adapt --undo")


def ranking_over(house: House) -> Rank:
    """Return what ranks over every live document: two numbers come of it, nothing of any text."""
    words = load_word_vectors(house.settings, house.embedder)
    everything = {
        house.catalog.access_list_of(one.document_id) for one in house.catalog.live_versions()
    }

    def rank(weights: Weights, question: str) -> list[ChunkId]:
        ranker = Ranker(
            index=house.index,
            embedder=house.embedder,
            bm25=house.bm25,
            word_vectors=words,
            weights=weights,
        )
        return [one.chunk_id for one in ranker.rank(question, access_lists=everything)]

    return rank


def _print(lesson: Lesson, questions: int) -> None:
    table = Table("Weights", "Meaning", "Word by word", "Found, mean reciprocal rank", "95 %")
    for name, weights, figure in (
        ("as shipped", DEFAULT, lesson.before),
        ("learned", lesson.weights, lesson.after),
    ):
        table.add_row(
            name,
            f"{weights.dense:.1f}",
            f"{weights.closeness:.1f}",
            f"{figure.mean:.3f}",
            f"{figure.low:.3f} to {figure.high:.3f}",
        )
    console = Console(highlight=False)
    console.print(table)
    gain = lesson.gain
    console.print(
        f"{questions} questions that the documents ask of themselves, measured on the half that "
        f"was not learned on: {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})."
    )


def _event(weights: Weights, change: str) -> RetrievalAdapted:
    return RetrievalAdapted(
        actor=operator(),
        change=change,
        weights=f"meaning {weights.dense:.1f}, word by word {weights.closeness:.1f}",
    )
