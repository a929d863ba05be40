"""Write to the operator's terminal, and turn known errors into one sentence and an exit code.

Exit codes of every command: 0, done; 1, the thing asked for did not succeed (a question was
refused, a file was quarantined, the record is not intact); 2, the command was not understood
(a wrong option or setting, a name or path that does not exist); 3, a part is unavailable.
"""

import errno
import getpass
import json
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import click

import audit.errors
import corpus.errors
import ingest.errors
import muniment.errors
import rag.errors
from corpus.access import Principal

if TYPE_CHECKING:
    from rag.identity import Identity


class ExitCode(IntEnum):
    """What a program that called us may rely on."""

    DONE = 0
    NOT_DONE = 1
    USAGE = 2
    UNAVAILABLE = 3


KNOWN: Final = (
    muniment.errors.MunimentError,
    corpus.errors.CorpusError,
    audit.errors.AuditError,
    ingest.errors.IngestError,
    rag.errors.RagError,
)
"""Every error whose message is written for the operator."""

USAGE: Final = (
    audit.errors.EntryNotThere,
    muniment.errors.SettingsInvalid,
    muniment.errors.InputMissing,
    corpus.errors.AccessInvalid,
    corpus.errors.UnknownSource,
    corpus.errors.UnknownDocument,
    corpus.errors.UnknownVersion,
    corpus.errors.UnknownHold,
    corpus.errors.EmbeddingModelInvalid,
    ingest.errors.SourceMissing,
    rag.errors.UnknownAccount,
    rag.errors.AccountExists,
    rag.errors.InvalidPassword,
    rag.errors.QuestionsInvalid,
)

UNAVAILABLE: Final = (
    muniment.errors.AlreadyRunning,
    muniment.errors.PortBusy,
    muniment.errors.DataFolderUnusable,
    muniment.errors.ModelServerFailed,
    muniment.errors.ServiceUnreachable,
    muniment.errors.ProgramEnded,
    corpus.errors.CatalogUnavailable,
    corpus.errors.IndexUnavailable,
    corpus.errors.IndexMismatch,
    audit.errors.AuditUnavailable,
    ingest.errors.StorageFailed,
    ingest.errors.RecordFailed,
    rag.errors.ModelUnavailable,
    rag.errors.ModelBusy,
    rag.errors.RecordUnavailable,
)


def exit_code_of(error: Exception) -> ExitCode:
    """The exit code that an error of ours ends a command with."""
    if isinstance(error, USAGE):
        return ExitCode.USAGE
    if isinstance(error, (*UNAVAILABLE, OSError)):
        return ExitCode.UNAVAILABLE
    return ExitCode.NOT_DONE


def sentence_of(error: Exception) -> str:
    """What the operator is told about an error of ours or of the operating system's."""
    if not isinstance(error, OSError):
        return str(error)
    place = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"The disk is full{place}. Make room, then run the command again."
    return f"The operating system refused: {error.strerror or error}{place}."


def plain(text: str) -> str:
    """Replace control characters, so that a document cannot steer the terminal."""
    return "".join(
        character if character.isprintable() or character == "\n" else " " for character in text
    )


def example(*lines: str) -> str:
    """The end of a command's help: how it is used, line breaks kept."""
    return "\b\n" + "\n".join(("Example:", *(f"  {line}" for line in lines)))


def print_json(value: object) -> None:
    """Print a value for a program to read."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def operator() -> str:
    """Who gives the command, for the record."""
    try:
        return f"operator {getpass.getuser()}"
    except (KeyError, OSError):
        return "operator"


def split_names(text: str | None) -> frozenset[str]:
    """Read "a, b" as two names."""
    return frozenset(name.strip() for name in (text or "").split(",") if name.strip())


def prove(identity: "Identity", name: str, *, prompt: str) -> Principal:
    """Have somebody prove at this terminal who they are, and return them as they are now.

    Raises:
        SignInRefused: Name, password or code is wrong.
        TooManyAttempts: Too many wrong passwords in a row.
    """
    password = click.prompt(prompt, hide_input=True)
    code = click.prompt("Code", hide_input=True) if _is_asked_for_a_code(identity, name) else ""
    opened = identity.sign_in(name, password, code=code)
    identity.sign_out(opened.token)
    return opened.principal


def _is_asked_for_a_code(identity: "Identity", name: str) -> bool:
    try:
        # Imported here because help must not wait for the database's library.
        from rag.second_factor import SecondFactors  # noqa: PLC0415

        return SecondFactors(identity).has(name)
    except rag.errors.UnknownAccount:
        return False  # refused like a wrong password
