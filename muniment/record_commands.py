"""``muniment audit witness``, ``status`` and ``clock``: keep the record watched."""

from contextlib import closing
from pathlib import Path

import click

from audit.checkpoints import pulse
from audit.errors import AuditUnavailable, NoteInvalid, SignerUnavailable
from audit.log import AuditLog, utc_now
from audit.notes import parse_checkpoint, parse_note, parse_vkey
from audit.witness import KeyWitness, answer_folder
from muniment.record_programs import serve_witness
from muniment.settings import Settings
from muniment.stores import open_record
from muniment.terminal import ExitCode, example, operator

SILENCE_MINUTES = 15.0


@click.command(
    epilog=example(
        "muniment audit witness --state /srv/witness --log KEY --listen 0.0.0.0:8090",
        "muniment audit witness --state /srv/witness --log KEY --folder /media/stick",
    )
)
@click.option(
    "--state",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the witness's key and memory; nobody else's.",
)
@click.option("--log", "logs", multiple=True, help="Key of a log to vouch for; may be repeated.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Answer the requests in this folder, then end.",
)
@click.option("--listen", metavar="HOST:PORT", help="Answer over HTTP until stopped.")
@click.option(
    "--silence-minutes",
    type=click.FloatRange(min=0.1),
    default=SILENCE_MINUTES,
    show_default=True,
    help="Say aloud when no checkpoint came for so long.",
)
def witness(
    *,
    state: Path,
    logs: tuple[str, ...],
    folder: Path | None,
    listen: str | None,
    silence_minutes: float,
) -> None:
    """Cosign the checkpoints of a record, on a host or a stick that its owner cannot reach.

    Without --folder and --listen only the witness's key is printed.
    """
    try:
        keys = [parse_vkey(each) for each in logs]
    except NoteInvalid as error:
        raise click.BadParameter(str(error), param_hint="--log") from error
    own = KeyWitness(state, logs=keys, clock=utc_now)
    click.echo(f"Key of this witness (MUNIMENT_WITNESS_VKEY): {own.vkey()}")
    if folder is not None:
        ended = answer_folder(own, folder)
        for name, how in ended:
            click.echo(f"{name}: {how}")
        click.echo(f"{len(ended)} requests answered.")
        if any(how.startswith("REFUSED") for _, how in ended):
            raise click.exceptions.Exit(ExitCode.NOT_DONE)
    if listen is not None:
        host, _, port = listen.rpartition(":")
        if not port.isdecimal():
            raise click.BadParameter("the form is HOST:PORT", param_hint="--listen")
        serve_witness(
            own,
            host=host or "127.0.0.1",
            port=int(port),
            silence_minutes=silence_minutes,
            say=lambda text: click.echo(text, err=text.startswith("ALARM")),
        )


@click.command(epilog=example("muniment audit status"))
@click.pass_obj
def status(settings: Settings) -> None:
    """Say whether the record is alive: heartbeat, checkpoint, cosignatures, clock.

    Exit code 0: alive; 1: something is amiss, which is said.
    """
    with closing(open_record(settings)) as record:
        faults = [*_heartbeat(record), *_checkpoint(record), *_readiness(record)]
    for fault in faults:
        click.echo(f"AMISS: {fault}")
    if faults:
        raise click.exceptions.Exit(ExitCode.NOT_DONE)


@click.command(epilog=example("muniment audit clock --accept"))
@click.option("--accept", is_flag=True, help="Vouch for the clock as it is now.")
@click.pass_obj
def clock(settings: Settings, *, accept: bool) -> None:
    """Say whether the clock is behind the record; with --accept, go on all the same.

    That somebody accepted the clock, and who, is put on the record.
    """
    with closing(open_record(settings)) as record:
        if accept:
            record.accept_clock(operator())
            click.echo("Accepted, and on record.")
            return
        record.require_ready()
        click.echo("The clock is not behind the record.")


def _heartbeat(record: AuditLog) -> list[str]:
    beat = pulse(record, utc_now())
    if beat.last is None:
        return ["There is no heartbeat yet: no service has run on this record."]
    click.echo(f"Last heartbeat: {beat.last:%Y-%m-%d %H:%M:%S} UTC.")
    if beat.alive:
        return []
    return [f"The heartbeat is overdue: one is due every {beat.due_minutes} minutes."]


def _checkpoint(record: AuditLog) -> list[str]:
    newest = record.newest_checkpoint()
    if newest is None:
        return ["There is no checkpoint yet."]
    size = parse_checkpoint(newest).size
    cosigned = len(parse_note(newest).signatures) - 1
    click.echo(f"Newest checkpoint: {size} entries, {cosigned} cosignatures.")
    click.echo(f"Not signed yet: {record.unsigned()} entries.")
    try:
        click.echo(f"Key of the log: {record.log_vkey}")
    except SignerUnavailable as error:
        return [str(error)]
    return []


def _readiness(record: AuditLog) -> list[str]:
    try:
        record.require_ready()
        record.test_write()
    except AuditUnavailable as error:
        return [str(error)]
    return []
