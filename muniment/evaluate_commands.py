"""The command ``evaluate``: measure the answers against questions whose answers are known."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from corpus.originals import Originals
from muniment.errors import InputMissing
from muniment.evaluate_retrieval import evaluate_retrieval
from muniment.ingestion import bring_in
from muniment.reach import desk_for
from muniment.running import make_data_folder
from muniment.samples import Samples, add_sample_accounts, add_sample_source, read_samples
from muniment.settings import CHECKOUT, Settings
from muniment.stores import open_catalog, open_identity, open_record
from muniment.terminal import ExitCode, example, print_json
from rag.evaluation import (
    Figure,
    Judged,
    area_under,
    figures,
    judge,
    latency,
    quote_stands,
    read_questions,
    refusal_curve,
)

QUESTIONS = CHECKOUT / "samples" / "questions.jsonl"
SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
STEPS = ("retrieve", "first_token", "total")


@click.group(epilog=example("muniment evaluate samples --json"))
def evaluate() -> None:
    """Measure the answers against questions whose answers are known."""


evaluate.add_command(evaluate_retrieval)


@evaluate.command("samples", epilog=example("muniment evaluate samples --quotes"))
@click.option("--as", "person", default="", metavar="USER", help="Ask as this person.")
@click.option("--quotes", is_flag=True, help="In the documents' own words, without the model.")
@click.option(
    "--questions",
    type=click.Path(path_type=Path),
    default=QUESTIONS,
    help="Other questions, in the same form.",
)
@click.option("--curve", is_flag=True, help="Show what other thresholds would refuse.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def evaluate_samples(
    context: click.Context,
    person: str,
    questions: Path,
    *,
    quotes: bool,
    curve: bool,
    as_json: bool,
) -> None:
    """Put the sample questions to the assistant and print how it did.

    Brings the sample documents in first, where that is not done. Uses the running service and
    its model, or else MUNIMENT_MODEL_URL. Ends with 1 when a target is missed.
    """
    settings: Settings = context.obj
    console = Console(stderr=True, highlight=False)
    known = read_questions(questions)
    asker = person or _bring_in_samples(settings, console)
    originals = Originals(settings.data / "originals")
    with (
        closing(open_catalog(settings)) as catalog,
        desk_for(settings, asker) as desk,
        _bar(console) as bar,
    ):
        task = bar.add_task("Asking", total=len(known))
        judged = judge(
            known,
            ask=lambda question: desk.ask(question, quotes_only=quotes),
            stands=lambda citation: quote_stands(citation, catalog=catalog, originals=originals),
            progress=lambda done: bar.update(task, completed=done),
        )
    table = figures(judged)
    if as_json:
        print_json(_as_json(judged, table))
    else:
        _print_table(judged, table)
    if curve and not as_json:
        _print_curve(judged)
    if any(figure.holds is False for figure in table):
        context.exit(ExitCode.NOT_DONE)


def _bring_in_samples(settings: Settings, console: Console) -> str:
    """See that samples and sample people are there; return one who may read everything."""
    make_data_folder(settings.data)
    declared = read_samples()
    with (
        closing(open_catalog(settings)) as catalog,
        closing(open_identity(settings)) as identity,
        closing(open_record(settings)) as record,
    ):
        add_sample_accounts(declared, identity, record, settings.data)
        source = add_sample_source(declared, catalog, record)
        bring_in(settings, catalog, [source.source_id], console)
        groups = {account.name: account.groups for account in identity.accounts()}
    return _reader_of_everything(declared, groups)


def _reader_of_everything(declared: Samples, groups: dict[str, frozenset[str]]) -> str:
    wanted = [declared.groups, *(rule.groups for rule in declared.rules)]
    for name, own in groups.items():
        if all(admitted & own for admitted in wanted):
            return name
    raise InputMissing(
        "No account may read every sample document. Name one with --as, knowing that what it "
        "may not read counts as not found."
    )


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _print_table(judged: Sequence[Judged], table: Sequence[Figure]) -> None:
    shown = Table("Measure", "Count", "Share", "Target", "Reached")
    for figure in table:
        share = f"{figure.count / figure.total:.0%}" if figure.total else "-"
        reached = {True: "yes", False: "no", None: ""}[figure.holds]
        shown.add_row(figure.name, f"{figure.count}/{figure.total}", share, figure.target, reached)
    console = Console(highlight=False)
    console.print(shown)
    medians = [(step, latency(judged, step)) for step in STEPS]
    console.print(
        "Median milliseconds: "
        + ", ".join(f"{step} {value:.0f}" for step, value in medians if value is not None)
    )


def _print_curve(judged: Sequence[Judged]) -> None:
    """Print the strictest threshold for each share of answerable questions it would refuse."""
    points = refusal_curve(judged)
    shown = Table("Answerable refused", "Unanswerable refused", "Threshold on the best match")
    for share in SHARES:
        allowed = [point for point in points if point.answerable <= share]
        if allowed:
            point = allowed[-1]
            shown.add_row(
                f"{point.answerable:.0%}", f"{point.unanswerable:.0%}", f"{point.threshold:.3f}"
            )
    console = Console(highlight=False)
    console.print(shown)
    console.print(f"Area under the curve {area_under(points):.3f}")


def _as_json(judged: Sequence[Judged], table: Sequence[Figure]) -> dict[str, object]:
    return {
        "figures": [asdict(figure) for figure in table],
        "median_milliseconds": {step: latency(judged, step) for step in STEPS},
        "questions": [
            {
                "id": each.known.question_id,
                "outcome": each.answer.outcome.value,
                "document_found": each.document_found,
                "page_found": each.page_found,
                "right": each.right,
            }
            for each in judged
        ],
    }
