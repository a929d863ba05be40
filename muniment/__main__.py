"""The one command line: ``muniment COMMAND``."""

# First of all, so that no library is imported before its switches are set.
import muniment.silence  # isort: split

import importlib
import sys
from dataclasses import dataclass
from typing import Any, Final

import click

from muniment.settings import load_settings
from muniment.terminal import KNOWN, ExitCode, example, exit_code_of, sentence_of


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is defined, imported when it is used: help must not wait for libraries.

    Attributes:
        module: The module.
        name: The command's name in it.
        summary: Its line in the help of the whole.
        hidden: Left out of the help.
    """

    module: str
    name: str
    summary: str
    hidden: bool = False


COMMANDS: Final = {
    "up": Entry("muniment.start_commands", "up", "Start everything and open the page."),
    "ingest": Entry("muniment.ingest_commands", "ingest", "Bring in a folder or a file."),
    "ask": Entry("muniment.ask_commands", "ask", "Ask a question, as a person."),
    "search": Entry("muniment.ask_commands", "search", "Find passages without an answer."),
    "evaluate": Entry("muniment.evaluate_commands", "evaluate", "Measure the answers."),
    "source": Entry("muniment.source_commands", "source", "Places that documents come from."),
    "access": Entry("muniment.access_commands", "access", "Who may read what, and why."),
    "index": Entry("muniment.index_commands", "index", "Build what is searched anew."),
    "adapt": Entry("muniment.adapt_commands", "adapt", "Learn from the documents how to search."),
    "directory": Entry(
        "muniment.directory_commands", "directory", "People and groups from elsewhere."
    ),
    "user": Entry("muniment.user_commands", "user", "People who may sign in."),
    "audit": Entry("muniment.audit_commands", "audit", "Show, verify and export the record."),
    "hold": Entry("muniment.hold_commands", "hold", "What must be kept, whatever its term."),
    "feedback": Entry("muniment.feedback_commands", "feedback", "What readers think of answers."),
    "model": Entry("muniment.model_commands", "model", "What the model is fit for."),
    "mcp": Entry("muniment.mcp_commands", "mcp", "Let another assistant ask, as a person."),
    "doctor": Entry("muniment.doctor", "doctor", "Check every part and say what is wrong."),
    "serve": Entry("muniment.start_commands", "serve", "Run one program.", hidden=True),
}


class Muniment(click.Group):
    """The commands by name, and one place where known errors become a sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order in which a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(importlib.import_module(entry.module), entry.name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.name} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        rows = [(name, entry.summary) for name, entry in COMMANDS.items() if not entry.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error meant for the operator ends it with a sentence."""
        try:
            # Before the command's module is imported, so that its libraries find the door shut.
            ctx.obj = load_settings()
            muniment.silence.enforce(ctx.obj.reachable_hosts)
            return super().invoke(ctx)
        except (*KNOWN, OSError) as error:
            click.echo(f"muniment: {sentence_of(error)}", err=True)
            ctx.exit(exit_code_of(error))


@click.group(
    cls=Muniment,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=example("muniment up", 'muniment ask "How long are client files kept?" --as NAME')
    + "\n\nSettings are listed in docs/settings.md.",
)
@click.version_option(package_name="muniment")
def cli() -> None:
    """Cited answers from an organisation's own documents, on its own machines."""


def main() -> None:
    """Run the command line."""
    try:
        cli.main(prog_name="muniment", standalone_mode=True)
    except BrokenPipeError:
        # Whoever read our output has had enough.
        sys.stderr.close()
        sys.exit(ExitCode.DONE)


if __name__ == "__main__":
    main()
