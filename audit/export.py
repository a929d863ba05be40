"""Hand the record out as a file that its reader can check alone."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from audit.errors import ExportFailed
from audit.events import RecordExported
from audit.log import AuditLog


def export_record(
    log: AuditLog,
    output: Path,
    *,
    person: str,
    with_payloads: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the whole record to a file of JSON lines, having recorded that it is handed out.

    The file appears whole or not at all, and its owner alone may read it; a file of that name
    is replaced. The last line is the entry about this export.

    Args:
        log: The record.
        output: The file.
        person: Who asks for it.
        with_payloads: False leaves out names and texts.
        progress: Called now and then with the lines written and their total.

    Returns:
        How many entries the file holds.

    Raises:
        AuditUnavailable: The export could not be recorded, or the record cannot be read;
            nothing is handed out.
        ExportFailed: The file could not be written. That it was asked for is on record.
    """
    _check_output(output)
    last = log.append(RecordExported(person=person, entries=log.count())).sequence
    lines = log.export_lines(with_payloads=with_payloads, through=last)
    with _replacing(output) as file:
        for written, line in enumerate(lines, start=1):
            file.write(line.encode("utf-8"))
            if progress and (written % 1000 == 0 or written == last + 1):
                progress(written, last + 1)
    return last + 1


def _check_output(output: Path) -> None:
    """Refuse what cannot succeed before the record says that it was done."""
    if output.is_dir():
        raise ExportFailed(f"{output} is a folder. Name the file to write.")
    if not output.parent.is_dir():
        raise ExportFailed(f"The folder {output.parent} does not exist. Make it first.")


@contextmanager
def _replacing(output: Path) -> Iterator[BinaryIO]:
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(output)
    except OSError as error:
        raise ExportFailed(
            f"The export could not be written to {output}: {error.strerror}. "
            "Choose another place or free some space."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
