"""Hand the record out: one door for the command line, the service, the page and the schedule.

That it is handed out is on record before the first byte is.
"""

import importlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from audit.bundle import Part, Signed, archive, bundle, proof
from audit.entries import Disclosed, Entry
from audit.errors import EntryNotThere, ExportFailed
from audit.events import RecordExported
from audit.formats.rows import About
from audit.log import AuditLog
from audit.notes import parse_checkpoint, parse_note, parse_vkey

BUNDLE, PROOF = "bundle", "proof"
PAGE: Final = 500
REPORT_EVERY: Final = 500
OWNER_ONLY_FOLDER, OWNER_ONLY_FILE = 0o700, 0o600

Progress = Callable[[int, int], None]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Form:
    """A form in which the record is handed out.

    Attributes:
        name: As it is asked for.
        suffix: Of a file in it.
        media_type: For a download.
        module: What writes it; loaded when it is needed, for some weigh tens of megabytes.
    """

    name: str
    suffix: str
    media_type: str
    module: str = ""


FORMS: Final = {
    form.name: form
    for form in (
        Form(BUNDLE, ".tar.gz", "application/gzip"),
        Form("ocsf", ".ocsf.jsonl", "application/jsonl", "audit.formats.ocsf"),
        Form("cef", ".cef", "text/plain; charset=utf-8", "audit.formats.cef"),
        Form("syslog", ".syslog", "application/octet-stream", "audit.formats.syslog"),
        Form("csv", ".csv", "text/csv; charset=utf-8", "audit.formats.csv"),
        Form("parquet", ".parquet", "application/vnd.apache.parquet", "audit.formats.parquet"),
        Form("pdf", ".pdf", "application/pdf", "audit.formats.pdf"),
        Form("jsonl", ".jsonl", "application/jsonl", "audit.formats.jsonl"),
    )
}
"""Every form there is, by name."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries are meant; what is empty leaves nothing out.

    Attributes:
        since: From this moment on.
        until: Before this moment.
        person: What this person did, by name.
        document: What is about the document of this id.
        matter: What is of this matter.
        type: Types of event or families of types, with commas between them.
    """

    since: datetime | None = None
    until: datetime | None = None
    person: str = ""
    document: str = ""
    matter: str = ""
    type: str = ""

    def words(self) -> str:
        """Return it in words; empty where nothing is left out."""
        return ", ".join(
            f"{name} {value}"
            for name, value in (
                ("from", _shown(self.since)),
                ("before", _shown(self.until)),
                ("person", self.person),
                ("document", self.document),
                ("matter", self.matter),
                ("type", self.type),
            )
            if value
        )

    def types(self) -> tuple[str, ...]:
        """Return the types and families that are meant, none of them within another."""
        named = {name.strip() for name in self.type.split(",")} - {""}
        within = {name for name in named if "." in name and name.split(".")[0] in named}
        return tuple(sorted(named - within)) or ("",)


EVERYTHING: Final = Selection()


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be handed out, and to whom.

    Attributes:
        form: One of ``FORMS``.
        person: Who asks.
        version: Of the program, for formats that name it.
        selection: Which entries; a bundle holds the envelopes of all, and the payloads of these.
        with_payloads: False leaves out names and texts.
        scheduled: It was not asked for now but set up to be made.
    """

    form: str
    person: str
    version: str
    selection: Selection = EVERYTHING
    with_payloads: bool = True
    scheduled: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """An export to be streamed.

    Attributes:
        filename: To suggest.
        media_type: Of what is streamed.
        chunks: The bytes, to be taken once. Errors of the record reach whoever takes them.
    """

    filename: str
    media_type: str
    chunks: Iterator[bytes]


def write_export(
    log: AuditLog,
    output: Path,
    wanted: Export,
    *,
    progress: Progress | None = None,
) -> int:
    """Write an export to a file (a bundle: to a folder), having recorded that it is handed out.

    It appears whole or not at all, and its owner alone may read it. Memory does not grow with
    the record, but for the names of people and documents that a report counts.

    Args:
        log: The record.
        output: What must not exist yet, but as an empty folder for a bundle.
        wanted: What is handed out.
        progress: Called now and then with how much is done, and of how much.

    Returns:
        How many entries it holds.

    Raises:
        AuditUnavailable: The export could not be recorded, or the record cannot be read or
            signed; nothing is handed out.
        ExportFailed: The form is not known, or it could not be written. If it was tried, that
            it was asked for is on record.
    """
    form = _form(wanted.form)
    check_output(output, is_folder=form.name == BUNDLE)
    begun = _begin(log, wanted)
    counter = _Counter(begun.steps, progress)
    with _appearing(output) as partial:
        if form.name == BUNDLE:
            _write_folder(partial, _bundle(log, begun, counter, measured=False))
        else:
            _write_file(partial, _derived(log, begun, form, counter))
    return begun.entries


def stream_export(log: AuditLog, wanted: Export) -> Download:
    """Return an export to be streamed, a bundle as an archive; that it is, is on record.

    Raises:
        AuditUnavailable: As for :func:`write_export`.
        ExportFailed: The form is not known.
    """
    form = _form(wanted.form)
    begun = _begin(log, wanted)
    counter = _Counter(begun.steps, None)
    chunks = (
        archive(_bundle(log, begun, counter, measured=True), made=begun.at)
        if form.name == BUNDLE
        else _derived(log, begun, form, counter)
    )
    name = f"muniment-record-{begun.at:%Y%m%d-%H%M%S}{form.suffix}"
    return Download(name, form.media_type, iter(chunks))


def write_proof(
    log: AuditLog, sequence: int, output: Path, *, person: str, with_payload: bool = True
) -> None:
    """Write the proof of one event to a folder, having recorded that it is handed out.

    Raises:
        AuditUnavailable: As for :func:`write_export`.
        EntryNotThere: There is no such entry, or it was redacted.
        ExportFailed: It could not be written.
    """
    check_output(output, is_folder=True)
    line = next(iter(log.lines(sequence, sequence)), None) if sequence >= 0 else None
    if line is None:
        raise EntryNotThere(
            f"There is no entry {sequence}: the record holds {log.count()}, counted from 0."
        )
    if line.startswith(b"#"):
        raise EntryNotThere(f"Entry {sequence} was redacted: nothing is left of it to prove.")
    entry = log.append(
        RecordExported(
            person=person,
            entries=log.count(),
            form=PROOF,
            selection=f"entry {sequence}",
            payloads=with_payload,
        )
    )
    signed = _signed(log)
    path = log.inclusion_proof(sequence, signed.size)
    payload = log.payload(sequence) if with_payload else None
    with _appearing(output) as partial:
        _write_folder(partial, proof(signed, line, sequence, path, payload, made=entry.at))


def check_output(output: Path, *, is_folder: bool = False) -> None:
    """Refuse what cannot succeed before the record says that it was done.

    Args:
        output: What is to be written.
        is_folder: It becomes a folder; one that is there and empty will do.

    Raises:
        ExportFailed: Something of that name exists, or there is no folder to put it in.
    """
    is_taken = output.is_symlink() or output.exists()
    if is_taken and not (is_folder and _is_empty_folder(output)):
        raise ExportFailed(f"{output} exists. Choose another name, or move it away.")
    if not output.parent.is_dir():
        raise ExportFailed(f"The folder {output.parent} does not exist. Make it first.")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise ExportFailed(f"The folder {output.parent} cannot be written to. Correct its rights.")


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


@dataclass(frozen=True, slots=True)
class _Begun:
    """An export that is on record.

    Attributes:
        wanted: What is handed out.
        at: When, by the record's clock.
        last: Sequence of the last entry that may be in it.
        entries: How many entries it holds.
        steps: How much work it is, in entries; a bundle goes through them twice.
    """

    wanted: Export
    at: datetime
    last: int
    entries: int
    steps: int


def _begin(log: AuditLog, wanted: Export) -> _Begun:
    entry = log.append(
        RecordExported(
            person=wanted.person,
            entries=log.count(),
            form=wanted.form,
            selection=wanted.selection.words(),
            payloads=wanted.with_payloads,
            scheduled=wanted.scheduled,
        )
    )
    chosen = sum(
        log.count(type=kind, **_filters(wanted.selection)) for kind in wanted.selection.types()
    )
    whole = entry.sequence + 1
    is_bundle = wanted.form == BUNDLE
    return _Begun(
        wanted=wanted,
        at=entry.at,
        last=entry.sequence,
        entries=whole if is_bundle else min(chosen, whole),
        steps=2 * whole if is_bundle else chosen,
    )


def _form(name: str) -> Form:
    if name not in FORMS:
        raise ExportFailed(f"There is no format {name}; there are {', '.join(FORMS)}.")
    return FORMS[name]


def _derived(log: AuditLog, begun: _Begun, form: Form, counter: "_Counter") -> Iterator[bytes]:
    entries = _entries(log, begun)
    about = About(
        origin=parse_vkey(log.log_vkey).name,
        exported_at=begun.at,
        exported_by=begun.wanted.person,
        selection=begun.wanted.selection.words(),
        entries=begun.entries,
        size=begun.last + 1,
        version=begun.wanted.version,
    )
    write: Callable[[Iterable[Entry], About], Iterator[bytes]] = importlib.import_module(
        form.module
    ).write
    return write(counter.counted(entries), about)


def _entries(log: AuditLog, begun: _Begun) -> Iterator[Entry]:
    """The entries of the selection, a page in memory at a time."""
    types = begun.wanted.selection.types()
    # One type is for the store to find; of several, each entry is looked at.
    asked = types[0] if len(types) == 1 else ""
    filters = _filters(begun.wanted.selection)
    after = -1
    while page := log.entries(after=after, limit=PAGE, type=asked, **filters):
        for entry in page:
            if entry.sequence > begun.last:
                return
            if asked or types == ("",) or _is_of(entry.type, types):
                yield entry if begun.wanted.with_payloads else _without_words(entry)
        after = page[-1].sequence


def _is_of(kind: str, types: tuple[str, ...]) -> bool:
    return kind in types or kind.partition(".")[0] in types


def _without_words(entry: Entry) -> Entry:
    return replace(entry, payload=None, person="")


def _filters(selection: Selection) -> dict[str, Any]:
    """What the log is asked for, beside the type."""
    return {
        "since": selection.since,
        "until": selection.until,
        "person": selection.person,
        "document": selection.document,
        "matter": selection.matter,
    }


def _bundle(log: AuditLog, begun: _Begun, counter: "_Counter", *, measured: bool) -> Iterator[Part]:
    signed = _signed(log)
    last = signed.size - 1
    size = sum(len(line) + 1 for line in log.lines(0, last)) if measured else None
    lines = (line + b"\n" for line in counter.counted(log.lines(0, last)))
    return bundle(
        signed,
        Part("entries.jsonl", size, lines),
        counter.reaching(_payloads(log, begun, last), begun.last + 1),
        selection=_disclosed_words(begun.wanted),
        made=begun.at,
    )


def _payloads(log: AuditLog, begun: _Begun, last: int) -> Iterator[tuple[int, Disclosed]]:
    if not begun.wanted.with_payloads:
        return
    if begun.wanted.selection == EVERYTHING:
        yield from log.payloads(0, last)
        return
    for entry in _entries(log, begun):
        if entry.payload is not None and (payload := log.payload(entry.sequence)) is not None:
            yield entry.sequence, payload


def _disclosed_words(wanted: Export) -> str:
    return wanted.selection.words() if wanted.with_payloads else "no entry"


def _signed(log: AuditLog) -> Signed:
    written = log.checkpoint()
    checkpoint, note = parse_checkpoint(written), parse_note(written)
    signers = {(signature.name, signature.key_id) for signature in note.signatures}
    witnesses = (
        key for key in map(parse_vkey, log.witness_vkeys) if (key.name, key.key_id) in signers
    )
    return Signed(
        note=written,
        origin=checkpoint.origin,
        size=checkpoint.size,
        keys=(log.log_vkey, *map(str, witnesses)),
    )


class _Counter:
    """Tells how far an export is."""

    def __init__(self, total: int, report: Progress | None) -> None:
        self._done = 0
        self._total = total
        self._report = report

    def counted(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items, counting them."""
        for item in items:
            yield item
            self._done += 1
            if self._report and self._done % REPORT_EVERY == 0:
                self._report(min(self._done, self._total), self._total)
        if self._report:
            self._report(min(self._done, self._total), self._total)

    def reaching(
        self, payloads: Iterable[tuple[int, Disclosed]], before: int
    ) -> Iterator[tuple[int, Disclosed]]:
        """Yield payloads, counting how far they are among the entries; most have none."""
        for sequence, payload in payloads:
            yield sequence, payload
            if self._report and sequence % REPORT_EVERY == 0:
                self._report(min(before + sequence, self._total), self._total)
        if self._report:
            self._report(self._total, self._total)


@contextmanager
def _appearing(output: Path) -> Iterator[Path]:
    """Give a name to write under; what is there afterwards gets the wanted one, or is removed."""
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        partial.rename(output)
    except OSError as error:
        raise ExportFailed(
            f"The export could not be written to {output}: {error.strerror}. "
            "Choose another place or free some space."
        ) from error
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        partial.unlink(missing_ok=True)


def _write_folder(folder: Path, parts: Iterable[Part]) -> None:
    folder.mkdir(mode=OWNER_ONLY_FOLDER)
    (folder / "payloads").mkdir(mode=OWNER_ONLY_FOLDER)
    for part in parts:
        _write_file(folder / part.name, part.chunks, synced=part.size is None)


def _write_file(path: Path, chunks: Iterable[bytes], *, synced: bool = True) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY_FILE)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
        if synced:
            file.flush()
            os.fsync(file.fileno())


def _shown(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""
