"""Hand documents over to the worker and follow it: the service's own, or one started here."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from audit.events import SourceChanged
from audit.log import AuditLog
from corpus.catalog import Catalog, Run, Source
from corpus.documents import DocumentId, SourceId
from corpus.erasures import ERASED, Erasure
from muniment.errors import InputMissing, ServiceUnreachable
from muniment.progress import RunDisplay
from muniment.reach import service_in_use
from muniment.settings import Settings
from muniment.terminal import operator

POLL_SECONDS = 0.2
FINISHED = frozenset({"done", "failed", "cancelled", "paused", "asking"})


def is_address(location: str) -> bool:
    """Say whether a location is a URL rather than a path of this machine."""
    return "://" in location


def declare_source(
    catalog: Catalog,
    record: AuditLog,
    location: str,
    *,
    name: str = "",
    groups: frozenset[str] | None = None,
) -> Source:
    """Add a folder, a single file or an address as a source, or bring it up to date.

    Args:
        catalog: Where sources are kept.
        record: The change is put there first.
        location: The folder or file, or a URL.
        name: What the source is called; the location's own name when empty.
        groups: Who may read it; None leaves that as it is.

    Raises:
        InputMissing: There is nothing there, or the name stands for another place.
    """
    address = location if is_address(location) else ""
    place = Path(location) if address else Path(location).expanduser().resolve()
    if address and urlsplit(address).password:
        raise InputMissing(
            "An address is kept where others may read it, so it must not hold a password. Put "
            "that into the file that MUNIMENT_SOURCE_CREDENTIALS names."
        )
    if not address and not place.exists():
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
    change = f"declared at {location}; groups {', '.join(sorted(admitted)) or 'none'}"
    record.append(SourceChanged(actor=operator(), source=chosen, change=change))
    declared = catalog.add_source(
        name=chosen, location=place, groups=admitted, rules=known.rules if known else ()
    )
    if address:
        intake = catalog.intake(declared.source_id)
        catalog.set_intake(declared.source_id, replace(intake, url=address))
    return declared


def bring_in(
    settings: Settings,
    catalog: Catalog,
    sources: Sequence[SourceId],
    console: Console,
    *,
    options: Collection[str] = (),
) -> list[Run]:
    """Queue a run for each source and follow them to their end, showing how far they are.

    Raises:
        ServiceUnreachable: The worker ended in between. What it had not finished is undone when
            it starts again, and nothing is lost.
    """
    with _worker(settings) as working:
        run_ids = [catalog.queue_run(source, options=options) for source in sources]
        pause = threading.Event()
        with RunDisplay(console) as display:
            while True:
                runs = [catalog.run(run_id) for run_id in run_ids]
                display.show(runs)
                if all(run.state in FINISHED or _waits(run) for run in runs):
                    return runs
                if not working():
                    raise ServiceUnreachable(
                        "The worker ended before it had read everything. Run the command again: "
                        "it goes on where it stopped."
                    )
                pause.wait(POLL_SECONDS)


def erase(settings: Settings, catalog: Catalog, documents: Sequence[DocumentId]) -> list[Erasure]:
    """Have documents destroyed that somebody asked for, until each is done or held.

    Raises:
        ServiceUnreachable: The worker ended in between; it goes on when it starts again.
    """
    with _worker(settings) as working:
        pause = threading.Event()
        while True:
            asked = [catalog.erasure(one) for one in documents]
            if all(one.step == ERASED or one.held_by for one in asked):
                return asked
            if not working():
                raise ServiceUnreachable(
                    "The worker ended before everything was destroyed. It goes on when it "
                    "starts again."
                )
            pause.wait(POLL_SECONDS)


def _waits(run: Run) -> bool:
    """Whether a run is tried again later because its place is away."""
    return run.state == "queued" and run.not_before is not None


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
