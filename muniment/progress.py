"""Show how far ingestion is, and what became of every file."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from corpus.catalog import FileOutcome, Run

OUTCOMES = (
    "added",
    "updated",
    "moved",
    "opened",
    "unchanged",
    "quarantined",
    "excluded",
    "withdrawn",
)
"""In the order in which they are shown; together they are every file."""


class RunDisplay:
    """A bar for the runs that are going on: documents, pages, chunks, rate, time left.

    Args:
        console: Where it is shown.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("documents"),
            TextColumn("{task.fields[pages]} pages, {task.fields[chunks]} chunks"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
        )
        self._task = self._progress.add_task(
            "Reading documents", total=None, visible=False, pages=0, chunks=0, rate=""
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, runs: Sequence[Run]) -> None:
        """Show the runs as one."""
        if not runs:
            return
        pages = sum(run.pages for run in runs)
        total = sum(run.files_total for run in runs)
        elapsed = self._progress.tasks[0].elapsed or 0.0
        self._progress.update(
            self._task,
            visible=True,
            total=total or None,
            completed=sum(run.files_done for run in runs),
            pages=pages,
            chunks=sum(run.chunks for run in runs),
            rate=f"{pages / elapsed:.1f} a second" if elapsed > 1 else "",
        )
        if not any(run.state in {"queued", "running"} for run in runs):
            self._progress.stop_task(self._task)


def show_outcomes(
    console: Console, files: Sequence[FileOutcome], totals: Mapping[str, int]
) -> None:
    """Print a table of what happened to each file, and totals that balance.

    Files that were left as they were are only counted.
    """
    changed = [file for file in files if file.outcome not in {"unchanged", "excluded"}]
    if changed:
        table = Table("File", "What happened", "Pages", "Chunks", "Why, and what to do")
        for file in changed:
            why = " ".join(part for part in (file.reason, file.remedy) if part)
            table.add_row(
                Text(file.path), file.outcome, str(file.pages), str(file.chunks), Text(why)
            )
        console.print(table)
    parts = [f"{totals[outcome]} {outcome}" for outcome in OUTCOMES if totals.get(outcome)]
    console.print(f"{sum(totals.values())} files: {', '.join(parts) or 'none'}.", highlight=False)
