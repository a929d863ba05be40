"""``muniment audit``: show, verify and hand out the record."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from audit import bundle_verify
from audit.entries import Entry
from audit.errors import AuditUnavailable, ExportFailed
from audit.events import VOCABULARY, RecordVerified, RecordViewed
from audit.export import (
    BUNDLE,
    FORMS,
    Export,
    Selection,
    check_output,
    write_export,
    write_proof,
)
from audit.log import AuditLog
from audit.verify import KeptHead, Verdict
from muniment.oversight_commands import dispose_now, dsar, erase, redact_entries, replay, schema
from muniment.record_commands import clock, status, witness
from muniment.settings import Settings
from muniment.stores import open_record
from muniment.terminal import ExitCode, example, operator, plain, print_json

HASH_CHARACTERS = 64
DAY_OR_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])


@click.group(epilog=example("muniment audit verify"))
def audit() -> None:
    """The record of what was asked, answered and changed.

    Exit codes: 0 all is well; 1 the record is not intact, or a file could not be written;
    2 the command was not understood; 3 the record is not available.
    """


for _command in (
    *(witness, status, clock),
    *(replay, erase, redact_entries, dispose_now, dsar, schema),
):
    audit.add_command(_command)


@audit.command(epilog=example("muniment audit show --type rag --person ada --since 2026-11-01"))
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most.")
@click.option("--type", "kind", default="", help="A type (rag.ask) or a family of types (rag).")
@click.option("--person", default="", help="Only what this person did.")
@click.option(
    "--since",
    type=DAY_OR_MOMENT,
    help="Only from this moment on (UTC).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, names and texts included.")
@click.pass_obj
def show(
    settings: Settings, *, limit: int, kind: str, person: str, since: datetime | None, as_json: bool
) -> None:
    """Show the newest entries, newest first."""
    _check_kind(kind)
    moment = _in_utc(since)
    with _open_record(settings) as log:
        _note_look(log, f"type={kind} person={person}" if kind or person else "")
        entries = log.entries(
            limit=limit, type=kind, person=person, since=moment, newest_first=True
        )
        total = log.count(type=kind, person=person, since=moment)
    if as_json:
        print_json([_as_json(entry) for entry in entries])
        return
    Console().print(_table(entries))
    click.echo(f"{len(entries)} of {total} entries.")


@audit.command(
    epilog=example(
        "muniment audit verify",
        "muniment audit verify export/ --log-key KEY --witness-key -",
        "muniment audit verify export/ --old-checkpoint kept-in-june",
    )
)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--log-key", help="Key of the log that the export must be signed by.")
@click.option("--witness-key", help="Key of the witness that must have cosigned; - for none.")
@click.option(
    "--old-checkpoint",
    type=click.Path(path_type=Path),
    help="Checkpoint kept from an earlier day, to notice a rewritten history.",
)
@click.option("--head", help="Head hash kept from an earlier verification, to notice a cut tail.")
@click.option("--entries", type=click.IntRange(1), help="Number of entries kept with --head.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify(
    settings: Settings,
    *,
    folder: Path | None,
    log_key: str | None,
    witness_key: str | None,
    old_checkpoint: Path | None,
    head: str | None,
    entries: int | None,
    as_json: bool,
) -> None:
    """Check that nothing on the record was altered, removed or put in another order.

    With FOLDER, check an exported bundle or the proof of one event with the very verifier that
    it carries. Keys that are not given are those of the record of this data folder.

    Without FOLDER, check the record itself. Entries cut off its end can then only be noticed
    with the head hash and the number of entries that were written down after an earlier
    verification.
    """
    kept = _kept_head(head, entries)
    if folder is not None:
        if kept is not None:
            raise click.UsageError("--head and --entries are for the record itself, not a folder.")
        _verify_folder(settings, folder, log_key, witness_key, old_checkpoint)
        return
    if log_key or witness_key or old_checkpoint:
        raise click.UsageError(
            "--log-key, --witness-key and --old-checkpoint need the FOLDER of an export."
        )
    verdict = _verify_live(settings, kept)
    if as_json:
        print_json(asdict(verdict))
    else:
        _say(verdict)
    if not verdict.intact:
        raise click.exceptions.Exit(ExitCode.NOT_DONE)


@audit.command(
    epilog=example(
        "muniment audit export --format bundle --output record-2026-11/",
        "muniment audit export --format csv --type rag --since 2026-11-01 --output november.csv",
    )
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMS)),
    default=BUNDLE,
    show_default=True,
    help="How it is written. Only the bundle is evidence.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write, or folder for a bundle; must not exist.",
)
@click.option("--since", type=DAY_OR_MOMENT, help="Only from this moment on (UTC).")
@click.option("--until", type=DAY_OR_MOMENT, help="Only before this moment (UTC).")
@click.option("--person", default="", help="Only what this person did.")
@click.option("--document", default="", help="Only what is about this document, by id.")
@click.option("--matter", default="", help="Only what is of this matter.")
@click.option("--type", "kind", default="", help="Types or families of types, with commas.")
@click.option("--without-payloads", is_flag=True, help="Leave out names and texts.")
@click.pass_obj
def export(
    settings: Settings,
    *,
    form: str,
    output: Path,
    since: datetime | None,
    until: datetime | None,
    person: str,
    document: str,
    matter: str,
    kind: str,
    without_payloads: bool,
) -> None:
    """Hand out the record: as a bundle that anybody can check alone, or in a form to work with.

    A bundle always holds the envelopes of all entries, for otherwise nobody could check it; what
    is chosen says which payloads (names and texts) are in it. In the other forms only what is
    chosen is there. That it was handed out is put on the record first.
    """
    for name in kind.split(","):
        _check_kind(name.strip())
    wanted = Export(
        form=form,
        person=operator(),
        version=version("muniment"),
        selection=Selection(
            since=_in_utc(since),
            until=_in_utc(until),
            person=person,
            document=document,
            matter=matter,
            type=kind,
        ),
        with_payloads=not without_payloads,
    )
    with _open_record(settings) as log, _progress() as report:
        count = write_export(log, output, wanted, progress=report)
        witnesses = log.witness_vkeys
    click.echo(f"{count} entries written to {output}.")
    if form == BUNDLE:
        _say_how_to_check(output, witnesses)


@audit.command(epilog=example("muniment audit prove 10452 --output proof-10452/"))
@click.argument("sequence", type=click.IntRange(0), metavar="SEQ")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Folder; must not exist."
)
@click.option("--without-payload", is_flag=True, help="Leave out names and texts.")
@click.pass_obj
def prove(settings: Settings, *, sequence: int, output: Path, without_payload: bool) -> None:
    """Write one entry with the proof that it is on the record, and nothing of any other.

    That it was handed out is put on the record first.
    """
    with _open_record(settings) as log:
        write_proof(log, sequence, output, person=operator(), with_payload=not without_payload)
        witnesses = log.witness_vkeys
    click.echo(f"Proof of entry {sequence} written to {output}.")
    _say_how_to_check(output, witnesses)


@audit.command(epilog=example("muniment audit checkpoint --output checkpoint-2026-11-22"))
@click.option("--output", type=click.Path(path_type=Path), help="File to write; must not exist.")
@click.pass_obj
def checkpoint(settings: Settings, *, output: Path | None) -> None:
    """Sign the record as it is now, and print or write the checkpoint.

    Kept elsewhere, it shows later that nothing before it was rewritten or cut off.
    """
    with _open_record(settings) as log:
        if output is not None:
            check_output(output)
        note = log.checkpoint()
    if output is None:
        click.echo(note, nl=False)
        return
    try:
        output.write_text(note, encoding="utf-8")
    except OSError as error:
        raise ExportFailed(f"{output} could not be written: {error.strerror}.") from error
    click.echo(f"Checkpoint written to {output}. Keep it where nobody here can change it.")


@audit.command(epilog=example("muniment audit keys"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def keys(settings: Settings, *, as_json: bool) -> None:
    """Print the public keys that the record is checked with: the log's, then the witnesses'."""
    with _open_record(settings) as log:
        log_key, witness_keys = log.log_vkey, log.witness_vkeys
    if as_json:
        print_json({"log": log_key, "witnesses": list(witness_keys)})
        return
    for key in (log_key, *witness_keys):
        click.echo(key)


@contextmanager
def _open_record(settings: Settings) -> Iterator[AuditLog]:
    """The record of the data folder. Reading never makes an empty one."""
    with closing(open_record(settings, create=False)) as log:
        yield log


def _note_look(log: AuditLog, filters: str) -> None:
    """Put on record that somebody looks; a record that can only be read may still be read."""
    try:
        log.append(RecordViewed(operator(), "entries", None, filters))
    except AuditUnavailable as error:
        click.echo(f"This look is not on the record: {error}", err=True)


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


def _verify_folder(
    settings: Settings,
    folder: Path,
    log_key: str | None,
    witness_key: str | None,
    old_checkpoint: Path | None,
) -> None:
    if log_key is None or witness_key is None:
        try:
            with _open_record(settings) as log:
                log_key = log_key or log.log_vkey
                witness_key = witness_key or next(iter(log.witness_vkeys), "-")
        except AuditUnavailable as error:
            raise click.UsageError(
                "Give --log-key, and --witness-key or “--witness-key -”: the keys cannot be taken "
                f"from a record here. {error}"
            ) from error
    try:
        said = bundle_verify.verify(log_key, witness_key, folder, old_checkpoint)
    except bundle_verify.Fault as fault:
        click.echo(f"NOT VERIFIED. {fault}")
        raise click.exceptions.Exit(ExitCode.NOT_DONE) from fault
    click.echo("\n".join(["VERIFIED.", *said]))


def _say_how_to_check(output: Path, witnesses: Sequence[str]) -> None:
    log_key, *signed = (output / "keys.txt").read_text(encoding="utf-8").split()
    click.echo(
        "Whoever gets it checks it with Python alone, and with keys that they have from you:\n"
        f"  python3 {output / 'verify.py'} {log_key} {signed[0] if signed else '-'} {output}"
    )
    for missing in sorted(set(witnesses) - set(signed)):
        click.echo(
            f"The witness {missing.partition('+')[0]} has not cosigned this yet. "
            "Export again once it has, for somebody who asks for its signature."
        )


def _in_utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at else None


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
    if verdict.signed:
        click.echo(f"The first {verdict.signed} are those that were signed.")
    if verdict.withheld:
        click.echo(
            f"Payloads that are not there any more and were not checked: {verdict.withheld}."
        )
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
