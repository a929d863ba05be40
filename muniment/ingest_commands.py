"""The commands ``ingest`` and ``source``."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from rich.console import Console

from audit.events import SourceChanged
from audit.log import AuditLog
from corpus.catalog import Catalog, FileOutcome, Run, Source
from muniment.ingestion import bring_in, declare_source
from muniment.progress import OUTCOMES, show_outcomes
from muniment.running import make_data_folder
from muniment.settings import Settings
from muniment.stores import open_catalog, open_record
from muniment.terminal import ExitCode, example, operator, plain, print_json, split_names


@click.command(epilog=example("muniment ingest /srv/policies --groups all-staff"))
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option("--as-source", default="", metavar="NAME", help="What the source is called.")
@click.option("--groups", metavar="A,B", help="Who may read it; without any, nobody may.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def ingest(
    context: click.Context,
    paths: tuple[Path, ...],
    as_source: str,
    groups: str | None,
    *,
    as_json: bool,
) -> None:
    """Bring in every document of a folder, or a single file.

    Each PATH becomes a source. Unchanged files cost a hash and nothing else; files that are gone
    are withdrawn. A file that cannot be read is quarantined with a reason, and the rest goes on;
    the command then ends with 1.
    """
    if as_source and len(paths) > 1:
        raise click.UsageError("--as-source names one source, so give it one PATH.")
    with _stores(context.obj) as (catalog, record):
        admitted = None if groups is None else split_names(groups)
        sources = [
            declare_source(catalog, record, path, name=as_source, groups=admitted) for path in paths
        ]
        _bring_in_and_report(context, catalog, sources, as_json=as_json)


@click.group(epilog=example("muniment source add /srv/policies --groups all-staff"))
def source() -> None:
    """Places that documents come from."""


@source.command("list", epilog=example("muniment source list --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_sources(settings: Settings, *, as_json: bool) -> None:
    """List every source."""
    with _stores(settings) as (catalog, _):
        found = [(one, catalog.live_document_count(one.source_id)) for one in catalog.sources()]
    if as_json:
        print_json([_source_json(one) | {"live_documents": count} for one, count in found])
        return
    for one, count in found:
        groups = ", ".join(sorted(one.groups)) or "nobody"
        click.echo(plain(f"{one.name}  {one.location}  {count} documents  read by: {groups}"))


@source.command("add", epilog=example("muniment source add /srv/policies --groups all-staff"))
@click.argument("location", type=click.Path(path_type=Path))
@click.option("--name", "as_source", default="", help="What it is called.")
@click.option("--groups", metavar="A,B", help="Who may read it; without any, nobody may.")
@click.pass_obj
def add_source(settings: Settings, location: Path, as_source: str, groups: str | None) -> None:
    """Declare a source, or change who may read it, without reading its documents."""
    with _stores(settings) as (catalog, record):
        admitted = None if groups is None else split_names(groups)
        added = declare_source(catalog, record, location, name=as_source, groups=admitted)
    click.echo(plain(f"{added.name} stands for {added.location}."))
    _warn_if_unreadable(added)


@source.command("remove", epilog=example("muniment source remove policies"))
@click.argument("name")
@click.pass_obj
def remove_source(settings: Settings, name: str) -> None:
    """Remove a source; its documents can no longer be found from now on."""
    with _stores(settings) as (catalog, record):
        found = catalog.source_named(name)
        record.append(SourceChanged(actor=operator(), source=name, change="removed"))
        catalog.remove_source(found.source_id)
    click.echo(plain(f"The source {name} is removed and its documents are withdrawn."))


@source.command("sync", epilog=example("muniment source sync policies"))
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def sync_sources(context: click.Context, names: tuple[str, ...], *, as_json: bool) -> None:
    """Compare sources with what is known, all of them or those named, and bring in changes."""
    with _stores(context.obj) as (catalog, _):
        sources = [catalog.source_named(name) for name in names] or catalog.sources()
        _bring_in_and_report(context, catalog, sources, as_json=as_json)


def _bring_in_and_report(
    context: click.Context, catalog: Catalog, sources: list[Source], *, as_json: bool
) -> None:
    console = Console(stderr=as_json, highlight=False)
    runs = bring_in(context.obj, catalog, [one.source_id for one in sources], console)
    files = [file for run in runs for file in catalog.run_files(run.run_id)]
    if as_json:
        print_json(_report_json(catalog, runs))
    else:
        show_outcomes(console, files, _totals(catalog, runs))
        for run in runs:
            if run.error:
                click.echo(f"muniment: {plain(run.error)}", err=True)
        for one in sources:
            _warn_if_unreadable(one)
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


def _source_json(one: Source) -> dict[str, object]:
    return {
        "source_id": one.source_id,
        "name": one.name,
        "location": str(one.location),
        "groups": sorted(one.groups),
        "rules": [{"glob": rule.glob, "groups": sorted(rule.groups)} for rule in one.rules],
    }


def _warn_if_unreadable(one: Source) -> None:
    if not one.groups and not one.rules:
        click.echo(
            plain(
                f"Nobody may read the source {one.name} yet. Admit a group: "
                f"muniment source add {one.location} --groups GROUP"
            ),
            err=True,
        )


@contextmanager
def _stores(settings: Settings) -> Iterator[tuple[Catalog, AuditLog]]:
    make_data_folder(settings.data)
    with (
        closing(open_record(settings)) as record,
        closing(open_catalog(settings)) as catalog,
    ):
        yield catalog, record
