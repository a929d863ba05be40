"""The command ``feedback``: what readers think of answers, for those who improve them."""

from contextlib import closing
from pathlib import Path

import click

from audit.events import DataExported
from muniment.running import make_data_folder
from muniment.settings import Settings
from muniment.stores import open_catalog, open_identity, open_record
from muniment.terminal import example, operator, plain
from rag.feedback import FeedbackBook, as_questions


@click.group(epilog=example("muniment feedback export --output questions.jsonl"))
def feedback() -> None:
    """What readers think of answers."""


@feedback.command("export", epilog=example("muniment feedback export --output questions.jsonl"))
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.pass_obj
def export_feedback(settings: Settings, output: Path) -> None:
    """Write judged answers as questions for `muniment evaluate samples --questions`."""
    if output.exists():
        raise click.UsageError(f"{output} exists already. Choose another name.")
    make_data_folder(settings.data)
    with (
        closing(open_record(settings)) as record,
        closing(open_identity(settings)) as identity,
        closing(open_catalog(settings)) as catalog,
    ):
        judged = FeedbackBook(identity.store).judged()
        lines = list(as_questions(judged, catalog))
        record.append(DataExported(operator(), "feedback", len(lines)))
    output.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    helpful = sum(each.feedback.helpful for each in judged)
    click.echo(
        plain(
            f"{len(judged)} judgements, {helpful} of them helpful; {len(lines)} say enough to be "
            f"questions for evaluation, written to {output}."
        )
    )
