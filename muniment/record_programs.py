"""The programs that look after the record: the signer, the witness, and the keeper's thread."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from audit.canonical import timestamp
from audit.checkpoints import Checkpointer, Rhythm
from audit.events import GapNoticed
from audit.log import AuditLog
from audit.signer import KeySigner, SignerServer
from audit.witness import KeyWitness, WitnessServer
from muniment.meanwhile import meanwhile
from muniment.recording import outlets_of
from muniment.settings import Settings


def serve_signer(settings: Settings) -> None:
    """Sign states of the record until told to stop."""
    server = SignerServer(KeySigner(settings.signer_key_folder), settings.signer_socket_path)
    server.run_until(_told_to_stop())


def serve_witness(
    witness: KeyWitness,
    *,
    host: str,
    port: int,
    silence_minutes: float,
    say: Callable[[str], None],
) -> None:
    """Cosign over HTTP until told to stop; say aloud when the log falls silent."""
    stop = _told_to_stop()
    with WitnessServer(witness, host=host, port=port) as server:
        say(f"Listening on {host}:{server.server_address[1]}. Stop with Ctrl-C.")
        server.run_until(
            stop,
            silence_seconds=silence_minutes * 60,
            alarm=lambda silent: say(
                f"ALARM: no checkpoint came for {silent / 60:.0f} minutes. "
                "See whether the log still runs."
            ),
        )


@contextmanager
def keeping(record: AuditLog, settings: Settings) -> Iterator[Checkpointer]:
    """Make checkpoints and heartbeats in a thread while the block lasts, and sign the end."""
    keeper = Checkpointer(
        record,
        Rhythm(
            seconds=settings.checkpoint_seconds,
            entries=settings.checkpoint_entries,
            heartbeat=timedelta(minutes=settings.heartbeat_minutes),
        ),
        outlets_of(settings),
    )
    keeper.step()
    with meanwhile(keeper.run_until, name="record"):
        yield keeper


def note_unclean_end(record: AuditLog) -> None:
    """Put on record that the program before this one ended without a word, if it did."""
    for entry in record.entries(type="system", limit=1, newest_first=True):
        if entry.type == "system.start":
            last = record.entries(limit=1, newest_first=True)[0]
            record.append(GapNoticed("not_stopped", timestamp(last.at), ()))


def _told_to_stop() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
