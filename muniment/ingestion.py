"""Hand documents over to the worker and follow it: the service's own, or one started here."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from audit.events import SourceChanged
from audit.log import AuditLog
from corpus.catalog import Catalog, Run, Source
from corpus.documents import SourceId
from muniment.errors import InputMissing, ServiceUnreachable
from muniment.progress import RunDisplay
from muniment.reach import service_in_use
from muniment.settings import Settings
from muniment.terminal import operator

POLL_SECONDS = 0.2
FINISHED = frozenset({"done", "failed", "cancelled", "paused", "asking"})


def declare_source(
    catalog: Catalog,
    record: AuditLog,
    location: Path,
    *,
    name: str = "",
    groups: frozenset[str] | None = None,
) -> Source:
    """Add a folder or a single file as a source, or bring the one it already is up to date.

    Args:
        catalog: Where sources are kept.
        record: The change is put there first.
        location: The folder or file.
        name: What the source is called; the location's own name when empty.
        groups: Who may read it; None leaves that as it is.

    Raises:
        InputMissing: There is nothing there, or the name stands for another place.
    """
    place = location.expanduser().resolve()
    if not place.exists():
        raise InputMissing(f"There is nothing at {location}. Correct the path.")
    known = next((one for one in catalog.sources() if one.location == place), None)
    chosen = name or (known.name if known else place.name or "root")
    namesake = next((one for one in catalog.sources() if one.name == chosen), None)
    if namesake and namesake.location != place:
        raise InputMissing(
            f"The source {chosen} already stands for {namesake.location}. Choose another name "
            f"with --as-source, or remove that one first: muniment source remove {chosen}"
        )
    if known and known.name != chosen:
        raise InputMissing(f"{place} is already the source {known.name}; leave --as-source out.")
    if known and groups in {None, known.groups}:
        return known
    admitted = groups or frozenset()
    change = f"declared at {place}; groups {', '.join(sorted(admitted)) or 'none'}"
    record.append(SourceChanged(actor=operator(), source=chosen, change=change))
    return catalog.add_source(
        name=chosen, location=place, groups=admitted, rules=known.rules if known else ()
    )


def bring_in(
    settings: Settings, catalog: Catalog, sources: Sequence[SourceId], console: Console
) -> list[Run]:
    """Queue a run for each source and follow them to their end, showing how far they are.

    Raises:
        ServiceUnreachable: The worker ended in between. What it had not finished is undone when
            it starts again, and nothing is lost.
    """
    with _worker(settings) as working:
        run_ids = [catalog.queue_run(source) for source in sources]
        pause = threading.Event()
        with RunDisplay(console) as display:
            while True:
                runs = [catalog.run(run_id) for run_id in run_ids]
                display.show(runs)
                if all(run.state in FINISHED for run in runs):
                    return runs
                if not working():
                    raise ServiceUnreachable(
                        "The worker ended before it had read everything. Run the command again: "
                        "it goes on where it stopped."
                    )
                pause.wait(POLL_SECONDS)


@contextmanager
def _worker(settings: Settings) -> Iterator[Callable[[], bool]]:
    """See that somebody works; the value says whether he still does."""
    if service_in_use(settings):
        yield lambda: bool(service_in_use(settings))
        return
    from muniment.assembly import open_house  # noqa: PLC0415 - loads models; only where needed
    from muniment.programs import working  # noqa: PLC0415

    with open_house(settings, worker=True) as house, working(house) as thread:
        yield thread.is_alive
