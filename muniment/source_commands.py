"""The command ``source``: places documents come from, how and when each is gone over."""

from dataclasses import replace
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audit.events import SourceChanged
from corpus.catalog import Catalog, Run, Source
from corpus.records import Intake
from muniment.errors import InputMissing
from muniment.ingest_commands import (
    bring_in_and_report,
    options_of,
    run_options,
    stores,
    warn_if_unreadable,
)
from muniment.ingestion import declare_source, erase
from muniment.progress import OUTCOMES
from muniment.settings import Settings
from muniment.terminal import ExitCode, example, operator, plain, print_json, split_names

MEBIBYTE = 1024 * 1024
OFF = "off"


@click.group(epilog=example("muniment source add /srv/policies --groups all-staff"))
def source() -> None:
    """Places that documents come from."""


@source.command("list", epilog=example("muniment source list --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_sources(settings: Settings, *, as_json: bool) -> None:
    """List every source."""
    with stores(settings) as (catalog, _):
        found = [
            (one, catalog.intake(one.source_id), catalog.live_document_count(one.source_id))
            for one in catalog.sources()
        ]
    if as_json:
        print_json([_source_json(one, intake) | {"live_documents": n} for one, intake, n in found])
        return
    for one, intake, count in found:
        groups = ", ".join(sorted(one.groups)) or "nobody"
        place = intake.url or one.location
        due = f"  next: {intake.next_at:%Y-%m-%d %H:%M} UTC" if intake.next_at else ""
        click.echo(plain(f"{one.name}  {place}  {count} documents  read by: {groups}{due}"))


@source.command("add", epilog=example("muniment source add /srv/policies --groups all-staff"))
@click.argument("location")
@click.option("--name", "as_source", default="", help="What it is called.")
@click.option("--groups", metavar="A,B", help="Who may read it; without any, nobody may.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Take in only what matches.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out what matches.")
@click.option("--maximum-megabytes", type=click.IntRange(0), help="Leave out larger files.")
@click.option("--gone-percent", type=click.IntRange(0, 100), help="Ask when more is gone.")
@click.option("--priority", type=int, help="The higher is done first.")
@click.pass_obj
def add_source(
    settings: Settings,
    /,
    location: str,
    as_source: str,
    groups: str | None,
    **chosen: Any,
) -> None:
    """Declare a source, or change it, without reading its documents.

    LOCATION is a folder, a file, or an address: smb://, sftp://, s3://, webdav+https://, imaps://
    and whatever else fsspec opens.
    """
    with stores(settings) as (catalog, record):
        admitted = None if groups is None else split_names(groups)
        added = declare_source(catalog, record, location, name=as_source, groups=admitted)
        before = catalog.intake(added.source_id)
        given = given_intake(before, chosen)
        if given != before:
            told = f"taken in from now on: {', '.join(name for name in chosen if chosen[name])}"
            record.append(SourceChanged(actor=operator(), source=added.name, change=told))
            catalog.set_intake(added.source_id, given)
    click.echo(plain(f"{added.name} stands for {before.url or added.location}."))
    warn_if_unreadable(added)


@source.command("remove", epilog=example("muniment source remove policies"))
@click.argument("name")
@click.pass_obj
def remove_source(settings: Settings, name: str) -> None:
    """Remove a source; its documents can no longer be found from now on."""
    with stores(settings) as (catalog, record):
        found = catalog.source_named(name)
        record.append(SourceChanged(actor=operator(), source=name, change="removed"))
        catalog.remove_source(found.source_id)
    click.echo(plain(f"The source {name} is removed and its documents are withdrawn."))


@source.command("sync", epilog=example("muniment source sync policies"))
@click.argument("names", nargs=-1)
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def sync_sources(
    context: click.Context, /, names: tuple[str, ...], *, as_json: bool, **chosen: bool
) -> None:
    """Compare sources with what is known, all of them or those named, and bring in changes."""
    with stores(context.obj) as (catalog, _):
        sources = [catalog.source_named(name) for name in names] or catalog.sources()
        bring_in_and_report(context, catalog, sources, options_of(chosen), as_json=as_json)


@source.command(
    "schedule", epilog=example("muniment source schedule policies '30 2 * * *' --zone Europe/Rome")
)
@click.argument("name")
@click.argument("cron")
@click.option("--zone", default="UTC", help="Time zone of the line, as IANA names it.")
@click.pass_obj
def schedule_source(settings: Settings, name: str, cron: str, zone: str) -> None:
    """Have a source gone over by itself, or no more with CRON "off".

    CRON has five fields: minute, hour, day of the month, month, day of the week. Times missed
    while Muniment was off are made up for once.
    """
    line = "" if cron == OFF else cron
    with stores(settings) as (catalog, record):
        found = catalog.source_named(name)
        intake = replace(catalog.intake(found.source_id), cron=line, zone=zone)
        catalog.set_intake(found.source_id, intake)
        change = f"schedule {line} in {zone}" if line else "schedule removed"
        record.append(SourceChanged(actor=operator(), source=name, change=change))
        due = catalog.intake(found.source_id).next_at
    click.echo(
        plain(
            f"{name} is next gone over at {due:%Y-%m-%d %H:%M} UTC."
            if due
            else f"{name} is gone over only when somebody asks."
        )
    )


@source.command("ledger", epilog=example("muniment source ledger policies"))
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show_ledger(settings: Settings, names: tuple[str, ...], *, as_json: bool) -> None:
    """Show what became of every file that the latest run over each source found."""
    with stores(settings) as (catalog, _):
        sources = [catalog.source_named(name) for name in names] or catalog.sources()
        ledgers = [_ledger(catalog, one) for one in sources]
    if as_json:
        print_json(ledgers)
        return
    table = Table("Source", "Latest run", *(name.capitalize() for name in OUTCOMES), "Together")
    for ledger in ledgers:
        totals = ledger["totals"]
        table.add_row(
            Text(str(ledger["source"])),
            str(ledger["state"]),
            *(str(totals.get(name, 0)) for name in OUTCOMES),
            str(sum(totals.values())),
        )
    console = Console(highlight=False)
    console.print(table)
    for ledger in ledgers:
        for file in ledger["quarantined"]:
            console.print(Text(f"{ledger['source']}: {file['path']}: {file['reason']}"))


for _wish, _help in {
    "pause": "Stop a source's run after the documents it is at; what is done stays done.",
    "resume": "Let a paused run go on, or try at once one that waits for its place.",
    "cancel": "End a source's run; what is done stays done.",
}.items():

    @source.command(_wish, help=_help, epilog=example(f"muniment source {_wish} policies"))
    @click.argument("name")
    @click.pass_context
    def steer_run(context: click.Context, name: str) -> None:
        """Tell a source's run what to do."""
        wish = str(context.info_name)
        with stores(context.obj) as (catalog, record):
            run = _open_run(catalog, name)
            record.append(SourceChanged(actor=operator(), source=name, change=f"run: {wish}"))
            now = catalog.want(run.run_id, wish)
        click.echo(
            plain(f"The run of {name} is {now.wanted + ' asked for' if now.wanted else now.state}.")
        )


@source.command("erase", epilog=example("muniment source erase policies old/list.pdf"))
@click.argument("name")
@click.argument("paths", nargs=-1, required=True)
@click.option("--ground", default="asked for by the operator", help="Why, for the receipt.")
@click.pass_context
def erase_documents(context: click.Context, name: str, paths: tuple[str, ...], ground: str) -> None:
    """Destroy documents with all their versions, and put a receipt on the record.

    Take the files out of the source first: what a source still holds is taken in again.
    """
    with stores(context.obj) as (catalog, _):
        found = catalog.source_named(name)
        known = catalog.known_among(found.source_id, paths)
        documents = [known[path].document_id for path in paths if path in known]
        wanted = [one for one in documents if one is not None]
        if len(wanted) < len(paths):
            missing = next(p for p in paths if p not in known or known[p].document_id is None)
            raise InputMissing(f"{name} has no document at {missing}. Correct the path.")
        for document_id in wanted:
            catalog.ask_erasure(document_id, by=operator(), ground=ground)
        asked = erase(context.obj, catalog, wanted)
    held = [one for one in asked if one.held_by]
    click.echo(f"{len(asked) - len(held)} documents are destroyed; the record has the receipts.")
    for one in held:
        click.echo(plain(f"Legal hold {one.held_by} keeps {one.path}; it is withdrawn."), err=True)
    if held:
        context.exit(ExitCode.NOT_DONE)


def given_intake(before: Intake, chosen: dict[str, Any]) -> Intake:
    """How a source is gone over once the options of a command were applied."""
    megabytes, percent = chosen["maximum_megabytes"], chosen["gone_percent"]
    return replace(
        before,
        include=chosen["include"] or before.include,
        exclude=chosen["exclude"] or before.exclude,
        maximum_bytes=before.maximum_bytes if megabytes is None else megabytes * MEBIBYTE,
        gone_share=before.gone_share if percent is None else percent / 100,
        priority=before.priority if chosen["priority"] is None else chosen["priority"],
    )


def _open_run(catalog: Catalog, name: str) -> Run:
    source_id = catalog.source_named(name).source_id
    for run in catalog.runs(limit=200):
        if run.source_id == source_id and run.state in {"queued", "running", "paused", "asking"}:
            return run
    raise InputMissing(f"No run of {name} is waiting or going on.")


def _ledger(catalog: Catalog, one: Source) -> dict[str, Any]:
    last = catalog.last_run(one.source_id)
    files = catalog.run_files(last.run_id, outcomes=["quarantined"]) if last else []
    return {
        "source": one.name,
        "state": last.state if last else "never run",
        "finished_at": last.finished_at.isoformat() if last and last.finished_at else None,
        "totals": catalog.totals(last.run_id) if last else {},
        "quarantined": [
            {"path": file.path, "reason": file.reason, "remedy": file.remedy} for file in files
        ],
    }


def _source_json(one: Source, intake: Intake) -> dict[str, object]:
    return {
        "source_id": one.source_id,
        "name": one.name,
        "location": intake.url or str(one.location),
        "groups": sorted(one.groups),
        "rules": [{"glob": rule.glob, "groups": sorted(rule.groups)} for rule in one.rules],
        "include": list(intake.include),
        "exclude": list(intake.exclude),
        "maximum_bytes": intake.maximum_bytes,
        "gone_share": intake.gone_share,
        "priority": intake.priority,
        "schedule": intake.cron,
        "zone": intake.zone,
        "next_at": intake.next_at.isoformat() if intake.next_at else None,
    }
