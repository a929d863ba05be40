"""The service with its ingest worker, and the worker alone."""

import os
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from audit.events import SystemStarted, SystemStopped
from ingest.erasing import Eraser
from ingest.worker import Worker
from muniment.assembly import MEBIBYTE, House, forgetting, open_house
from muniment.directories import in_step
from muniment.keeping import disposing
from muniment.listening import serve_application
from muniment.record_exports import exporting
from muniment.record_programs import keeping, note_unclean_end
from muniment.settings import Settings
from muniment.stores import open_provided
from rag.service import ServiceParts, create_service

WORKER_END_SECONDS = 6.0
"""How long the worker may take to put its document down; the rest is undone at the next start."""


def serve_rag(settings: Settings, *, host: str) -> None:
    """Serve the HTTP interface, with the ingest worker in a thread, until told to stop."""
    with (
        open_house(settings, worker=True, serves_questions=True) as house,
        keeping(house.record, settings),
        _on_record(house),
        exporting(house.record, settings),
        disposing(settings, house.record),
        in_step(house),
        working(house),
    ):
        serve_application(
            create_service(
                _parts(house),
                allowed_hosts=settings.page_host_names,
                workers=settings.answers_at_once,
            ),
            settings,
            host=host,
            port=settings.service_port,
        )


def serve_ingest(settings: Settings) -> None:
    """Run the ingest worker alone, where the index is a server that several may use."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with open_house(settings, worker=True) as house, working(house):
        stop.wait()


@contextmanager
def working(house: House) -> Iterator[threading.Thread]:
    """Bring in queued documents in a thread while the block lasts."""
    if house.pipeline is None:
        raise ValueError("the house was opened without a worker")
    from ingest.jobs import DurableJobs  # noqa: PLC0415 - loads DBOS; only where needed

    worker_id = str(uuid.uuid4())
    jobs = DurableJobs(house.pipeline.steps, url=house.settings.jobs_url, worker_id=worker_id)
    worker = Worker(
        house.pipeline,
        house.catalog,
        jobs=jobs,
        worker_id=worker_id,
        name=f"{socket.gethostname()}:{os.getpid()}",
        alone=not house.settings.qdrant_url,
        eraser=Eraser(house.pipeline, elsewhere={"conversations": forgetting(house)}),
    )
    worker.recover()
    stop = threading.Event()
    thread = threading.Thread(
        target=worker.run_until, args=(stop,), name="ingest-worker", daemon=True
    )
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(WORKER_END_SECONDS)
        jobs.close()


@contextmanager
def _on_record(house: House) -> Iterator[None]:
    """Put the start and the end of the service on record."""
    model = house.settings.model_name if house.model else ""
    note_unclean_end(house.record)
    house.record.append(
        SystemStarted(
            version=version("muniment"),
            configuration_sha256=house.settings.fingerprint(),
            model=model,
            embedding_sha256=house.embedder.fingerprint,
        )
    )
    yield
    house.record.append(SystemStopped())


def _parts(house: House) -> ServiceParts:
    return ServiceParts(
        provided=open_provided(house.settings, house.identity),
        catalog=house.catalog,
        originals=house.originals,
        assistant=house.assistant,
        identity=house.identity,
        conversations=house.conversations,
        record=house.record,
        gate=house.gate,
        model=house.model,
        index=house.index,
        clock=house.clock,
        uploads=house.settings.data / "uploads",
        largest_upload=house.settings.maximum_file_megabytes * MEBIBYTE,
    )
