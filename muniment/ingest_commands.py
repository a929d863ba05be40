"""The command ``ingest``, and what it shares with ``source``."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import click
from rich.console import Console

from audit.log import AuditLog
from corpus.catalog import Catalog, FileOutcome, Run, Source
from muniment.ingestion import bring_in, declare_source
from muniment.progress import OUTCOMES, show_outcomes
from muniment.running import make_data_folder
from muniment.settings import Settings
from muniment.stores import open_catalog, open_record
from muniment.terminal import ExitCode, example, plain, print_json, split_names

RUN_OPTIONS = {
    "accept_withdrawals": "accept",
    "retry_quarantined": "retry",
    "only_quarantined": "only-quarantined",
    "check_content": "check",
}
"""Options of the commands, as the catalog names them."""


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a run."""
    for option in (
        click.option("--check-content", is_flag=True, help="Compare the bytes of every file."),
        click.option("--only-quarantined", is_flag=True, help="Read those again and no others."),
        click.option("--retry-quarantined", is_flag=True, help="Read quarantined files again."),
        click.option(
            "--accept-withdrawals", is_flag=True, help="Withdraw however many files are gone."
        ),
    ):
        command = option(command)
    return command


def options_of(chosen: Mapping[str, bool]) -> list[str]:
    """What a command's options mean for a run."""
    options = [RUN_OPTIONS[name] for name, given in chosen.items() if given]
    return [*options, "retry"] if "only-quarantined" in options else options


@click.command(epilog=example("muniment ingest /srv/policies --groups all-staff"))
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--as-source", default="", metavar="NAME", help="What the source is called.")
@click.option("--groups", metavar="A,B", help="Who may read it; without any, nobody may.")
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def ingest(
    context: click.Context,
    /,
    paths: tuple[str, ...],
    as_source: str,
    groups: str | None,
    *,
    as_json: bool,
    **chosen: bool,
) -> None:
    """Bring in every document of a folder, a single file or a place behind an address.

    Each PATH becomes a source. Unchanged files cost a look; files that are gone are withdrawn,
    unless so many are gone that somebody has to say whether that is right. A file that cannot be
    read is quarantined with a reason, and the rest goes on; the command then ends with 1.
    """
    if as_source and len(paths) > 1:
        raise click.UsageError("--as-source names one source, so give it one PATH.")
    with stores(context.obj) as (catalog, record):
        admitted = None if groups is None else split_names(groups)
        sources = [
            declare_source(catalog, record, path, name=as_source, groups=admitted) for path in paths
        ]
        bring_in_and_report(context, catalog, sources, options_of(chosen), as_json=as_json)


def bring_in_and_report(
    context: click.Context,
    catalog: Catalog,
    sources: list[Source],
    options: list[str],
    *,
    as_json: bool,
) -> None:
    """Have sources gone over, show how far that is and what became of every file."""
    console = Console(stderr=as_json, highlight=False)
    runs = bring_in(
        context.obj, catalog, [one.source_id for one in sources], console, options=options
    )
    files = [file for run in runs for file in catalog.run_files(run.run_id)]
    if as_json:
        print_json(_report_json(catalog, runs))
    else:
        show_outcomes(console, files, _totals(catalog, runs))
        for run in runs:
            if run.error:
                click.echo(f"muniment: {plain(run.error)}", err=True)
        for one in sources:
            warn_if_unreadable(one)
    if any(run.state != "done" for run in runs) or _any_quarantined(files):
        context.exit(ExitCode.NOT_DONE)


def _any_quarantined(files: list[FileOutcome]) -> bool:
    return any(file.outcome == "quarantined" for file in files)


def _report_json(catalog: Catalog, runs: list[Run]) -> dict[str, object]:
    """What happened to each file, and totals that balance."""
    outcomes = {run.run_id: catalog.run_files(run.run_id) for run in runs}
    totals = _totals(catalog, runs)
    return {
        "runs": [
            {
                "run_id": run.run_id,
                "source": catalog.source(run.source_id).name,
                "state": run.state,
                "error": run.error,
                "pages": run.pages,
                "chunks": run.chunks,
                "files": [_file_json(file) for file in outcomes[run.run_id]],
            }
            for run in runs
        ],
        "totals": {"files": sum(totals.values()), **{n: totals.get(n, 0) for n in OUTCOMES}},
    }


def _totals(catalog: Catalog, runs: list[Run]) -> dict[str, int]:
    """How many files came to each outcome in some runs."""
    counted: Counter[str] = Counter()
    for run in runs:
        counted.update(catalog.totals(run.run_id))
    return dict(counted)


def _file_json(file: FileOutcome) -> dict[str, object]:
    return {
        "path": file.path,
        "outcome": file.outcome,
        "reason": file.reason,
        "remedy": file.remedy,
        "pages": file.pages,
        "chunks": file.chunks,
        "title": file.title,
    }


def warn_if_unreadable(one: Source) -> None:
    """Say so where nobody may read a source."""
    if not one.groups and not one.rules:
        click.echo(
            plain(
                f"Nobody may read the source {one.name} yet. Admit a group: "
                f"muniment source add {one.location} --groups GROUP"
            ),
            err=True,
        )


@contextmanager
def stores(settings: Settings) -> Iterator[tuple[Catalog, AuditLog]]:
    """Open the catalog and the record."""
    make_data_folder(settings.data)
    with (
        closing(open_record(settings)) as record,
        closing(open_catalog(settings)) as catalog,
    ):
        yield catalog, record
