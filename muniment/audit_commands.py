"""``muniment audit``: show, verify and hand out the record."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from audit.entries import Entry
from audit.errors import AuditUnavailable
from audit.events import VOCABULARY, RecordVerified
from audit.export import export_record
from audit.log import AuditLog
from audit.verify import KeptHead, Verdict, verify_export
from muniment.record_commands import clock, status, witness
from muniment.settings import Settings
from muniment.terminal import ExitCode, operator, plain, print_json

HASH_CHARACTERS = 64


def example(*commands: str) -> str:
    """Return the end of a help text: the commands, a line each."""
    return "\n".join(["\b", "Example:", *(f"  {command}" for command in commands)])


@click.group(epilog=example("muniment audit verify"))
def audit() -> None:
    """The record of what was asked, answered and changed.

    Exit codes: 0 all is well; 1 the record is not intact, or a file could not be written;
    2 the command was not understood; 3 the record is not available.
    """


for _command in (witness, status, clock):
    audit.add_command(_command)


@audit.command(epilog=example("muniment audit show --type rag --person ada --since 2026-11-01"))
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most.")
@click.option("--type", "kind", default="", help="A type (rag.ask) or a family of types (rag).")
@click.option("--person", default="", help="Only what this person did.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]),
    help="Only from this moment on (UTC).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, names and texts included.")
@click.pass_obj
def show(
    settings: Settings, *, limit: int, kind: str, person: str, since: datetime | None, as_json: bool
) -> None:
    """Show the newest entries, newest first."""
    _check_kind(kind)
    moment = since.replace(tzinfo=UTC) if since else None
    with _open_record(settings) as log:
        entries = log.entries(
            limit=limit, type=kind, person=person, since=moment, newest_first=True
        )
        total = log.count(type=kind, person=person, since=moment)
    if as_json:
        print_json([_as_json(entry) for entry in entries])
        return
    Console().print(_table(entries))
    click.echo(f"{len(entries)} of {total} entries.")


@audit.command(epilog=example("muniment audit verify", "muniment audit verify --file record.jsonl"))
@click.option(
    "--file",
    "export",
    type=click.Path(path_type=Path),
    help="Check an exported file instead; needs no data folder.",
)
@click.option("--head", help="Head hash kept from an earlier verification, to notice a cut tail.")
@click.option("--entries", type=click.IntRange(1), help="Number of entries kept with --head.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify(
    settings: Settings, *, export: Path | None, head: str | None, entries: int | None, as_json: bool
) -> None:
    """Check that nothing on the record was altered, removed or put in another order.

    Entries cut off the end can only be noticed with the head hash and the number of entries
    that were written down after an earlier verification.
    """
    kept = _kept_head(head, entries)
    verdict = verify_export(export, kept=kept) if export else _verify_live(settings, kept)
    if as_json:
        print_json(asdict(verdict))
    else:
        _say(verdict)
    if not verdict.intact:
        raise click.exceptions.Exit(ExitCode.NOT_DONE)


@audit.command(epilog=example("muniment audit export --format jsonl --output record.jsonl"))
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl"]),
    default="jsonl",
    show_default=True,
    help="How it is written.",
)
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="File to write or replace."
)
@click.option("--without-payloads", is_flag=True, help="Leave out names and texts.")
@click.pass_obj
def export(settings: Settings, *, form: str, output: Path, without_payloads: bool) -> None:
    """Write the whole record to a file that anybody can check alone.

    That it was handed out is put on the record first.
    """
    del form  # jsonl is the only one so far
    with _open_record(settings) as log, _progress() as report:
        count = export_record(
            log,
            output,
            person=operator(),
            with_payloads=not without_payloads,
            progress=report,
        )
    click.echo(f"{count} entries written to {output}.")
    click.echo(f"Check it with: muniment audit verify --file {output}")


@contextmanager
def _open_record(settings: Settings) -> Iterator[AuditLog]:
    """The record of the data folder. Reading never makes an empty one."""
    with closing(AuditLog.open(settings.data / "audit", create=False)) as log:
        yield log


def _verify_live(settings: Settings, kept: KeptHead | None) -> Verdict:
    with _open_record(settings) as log:
        verdict = log.verify(kept=kept)
        try:
            log.append(
                RecordVerified(person=operator(), intact=verdict.intact, entries=verdict.entries)
            )
        except AuditUnavailable as error:
            # A record that can only be read is still worth checking.
            click.echo(f"This verification is not on the record: {error}", err=True)
    return verdict


def _kept_head(head: str | None, entries: int | None) -> KeptHead | None:
    if head is None and entries is None:
        return None
    if head is None or entries is None:
        raise click.UsageError("--head and --entries belong together: give both or neither.")
    head = head.strip().lower()
    if len(head) != HASH_CHARACTERS or not set(head) <= set("0123456789abcdef"):
        raise click.BadParameter("a head is 64 hexadecimal digits", param_hint="--head")
    return KeptHead(entries=entries, head=head)


def _check_kind(kind: str) -> None:
    types = {event.type for event in VOCABULARY}
    families = {name.split(".")[0] for name in types}
    if kind and kind not in types | families:
        known = ", ".join(sorted(types))
        raise click.BadParameter(f"there is no type {kind}; known are {known}", param_hint="--type")


def _say(verdict: Verdict) -> None:
    if not verdict.intact:
        click.echo(f"NOT intact. {verdict.fault}")
        click.echo(f"Entries before the fault that hold: {verdict.entries}.")
        return
    click.echo(f"Intact: all {verdict.entries} entries hold.")
    if verdict.withheld:
        click.echo(f"Payloads left out of this file and not checked: {verdict.withheld}.")
    if verdict.entries:
        click.echo(f"Head: {verdict.head}")
        click.echo(
            "Keep this line elsewhere; it shows later that nothing was cut off the end:\n"
            f"  muniment audit verify --head {verdict.head} --entries {verdict.entries}"
        )


def _as_json(entry: Entry) -> dict[str, object]:
    return {
        "sequence": entry.sequence,
        "at": entry.at.isoformat(),
        "type": entry.type,
        "person": entry.person,
        "outcome": entry.outcome,
        "summary": entry.summary,
        "envelope": entry.envelope,
        "payload": entry.payload,
        "leaf_hash": entry.leaf_hash,
    }


def _table(entries: list[Entry]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("#", "when (UTC)", "type", "outcome"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what happened", overflow="fold")
    for entry in entries:
        table.add_row(
            str(entry.sequence),
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            # Plain texts: what people wrote is not markup.
            Text(plain(entry.type)),
            Text(plain(entry.outcome)),
            Text(entry.summary),
        )
    return table


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    console = Console(stderr=True)
    with Progress(
        TextColumn("Writing the record"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)

        def report(written: int, total: int) -> None:
            bar.update(task, completed=written, total=total)

        yield report
