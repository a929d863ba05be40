"""The commands ``ask`` and ``search``."""

import click

from muniment.reach import desk_for
from muniment.settings import Settings
from muniment.terminal import ExitCode, example, plain, print_json
from rag.contract import (
    MAXIMUM_QUESTION_CHARACTERS,
    Answer,
    Citation,
    Outcome,
    Passage,
)


@click.command(epilog=example('muniment ask "How long are client files kept?" --as NAME --json'))
@click.argument("question")
@click.option("--as", "person", required=True, metavar="USER", help="On whose behalf.")
@click.option("--quotes", is_flag=True, help="In the documents' own words, without the model.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def ask(context: click.Context, question: str, person: str, *, quotes: bool, as_json: bool) -> None:
    """Ask a question; only documents that USER may read are used.

    Prints the answer with its citations. With --json also the passages, the marked boxes and the
    timings. Ends with 1 when the question is refused.
    """
    settings: Settings = context.obj
    asked = _checked(question)
    with desk_for(settings, person) as desk:
        answer = desk.ask(asked, quotes_only=quotes)
    if as_json:
        print_json({"question": asked, "person": person, **answer.model_dump(mode="json")})
    else:
        _print_answer(answer)
    if answer.outcome not in {Outcome.ANSWERED, Outcome.PARTLY, Outcome.CONFLICT}:
        context.exit(ExitCode.NOT_DONE)


@click.command(epilog=example('muniment search "retention of client files" --as NAME --limit 3'))
@click.argument("question")
@click.option("--as", "person", required=True, metavar="USER", help="On whose behalf.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
@click.option("--explain", is_flag=True, help="Say how each passage was found.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def search(
    context: click.Context,
    question: str,
    person: str,
    limit: int,
    *,
    explain: bool,
    as_json: bool,
) -> None:
    """Find the passages a question would be answered from, without answering it.

    Ends with 1 when there is none.
    """
    settings: Settings = context.obj
    asked = _checked(question)
    with desk_for(settings, person) as desk:
        found = desk.search(asked, limit=limit)
    if as_json:
        print_json({"question": asked, "person": person, **found.model_dump(mode="json")})
    else:
        for rank, passage in enumerate(found.passages, start=1):
            click.echo(plain(_passage_line(rank, passage)))
            if explain and passage.found_by is not None:
                click.echo(f"   {passage.found_by.sentence()}")
    if not found.passages:
        context.exit(ExitCode.NOT_DONE)


def _checked(question: str) -> str:
    asked = question.strip()
    if not asked:
        raise click.UsageError("The question is empty.")
    if len(asked) > MAXIMUM_QUESTION_CHARACTERS:
        raise click.UsageError(
            f"The question has {len(asked)} characters; {MAXIMUM_QUESTION_CHARACTERS} are allowed."
        )
    return asked


def _print_answer(answer: Answer) -> None:
    """Print sentences with their citation numbers, then what stands behind each number."""
    for sentence in answer.sentences:
        numbers = "".join(f" [{number}]" for number in sentence.citations)
        click.echo(plain(f"{sentence.text}{numbers}"))
    for line in (answer.reason, answer.note, answer.asks, *answer.choices):
        if line:
            click.echo(plain(line))
    if answer.citations:
        click.echo()
    for citation in answer.citations:
        click.echo(plain(f"[{citation.number}] {citation.title}, {_where(citation)}"))
        if citation.columns:
            click.echo(plain(f"    Columns: {' '.join(citation.columns.split())}"))
        click.echo(plain(f"    “{' '.join(citation.quote.split())}”"))


def _where(found: Citation | Passage) -> str:
    version = f"version {found.version_number}"
    if found.page is not None:
        return f"{version}, page {found.page + 1} ({found.path})"
    return f"{version}{', ' + found.place if found.place else ''} ({found.path})"


def _passage_line(rank: int, passage: Passage) -> str:
    start = " ".join(passage.text.split())[:200]
    return f"{rank}. {passage.title}, {_where(passage)}  {passage.score:.2f}\n   {start}"
