import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus.records import RunId
from ingest.errors import SourceAway
from ingest.jobs import DurableJobs
from ingest.sources import Folder
from ingest.worker import Worker
from tests.audit.postgres_server import postgres_server
from tests.conftest import CHECKOUT
from tests.ingest.dying_worker import Noting
from tests.ingest.test_pipeline import Desk, desk, embedder

__all__ = ["desk", "embedder"]


@pytest.fixture
def jobs_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


def test_documents_become_live_as_durable_jobs_and_are_then_forgotten(
    desk: Desk, jobs_url: str
) -> None:
    for number in range(20):
        (desk.folder / f"{number}.txt").write_text(f"Rule {number} is read aloud in May.")
    pipeline = desk.pipeline()
    jobs = DurableJobs(pipeline.steps, url=jobs_url, worker_id=str(uuid.uuid4()))
    run_id = desk.catalog.queue_run(desk.source_id)
    stop = threading.Event()
    worker = Worker(pipeline, desk.catalog, jobs=jobs, worker_id="one")
    worker.recover()
    thread = threading.Thread(target=worker.run_until, args=(stop,))

    thread.start()
    while desk.catalog.run(run_id).state not in {"done", "failed"}:
        stop.wait(0.05)
    stop.set()
    thread.join()
    left = jobs.take_over()
    jobs.close()

    assert desk.catalog.totals(run_id) == {"added": 20}
    assert left == 0
    assert desk.catalog.workers() == []


class FlakyFolder(Folder):
    """A share that answers at the third try."""

    tries = 0

    def read(self, path: str, *, most: int) -> bytes:
        FlakyFolder.tries += 1
        if FlakyFolder.tries < 3:
            raise SourceAway("The share does not answer.")
        return super().read(path, most=most)


def test_a_share_that_is_away_for_a_moment_is_asked_again(desk: Desk, jobs_url: str) -> None:
    (desk.folder / "note.txt").write_text("The spare key hangs in the safe.")
    pipeline = desk.pipeline(places=lambda source, _: FlakyFolder(source.location))
    jobs = DurableJobs(pipeline.steps, url=jobs_url, worker_id="one")
    run_id = RunId(desk.catalog.queue_run(desk.source_id))
    desk.catalog.claim_run()

    report = pipeline.run(run_id, jobs=jobs)
    jobs.close()

    assert report.totals == {"added": 1}
    assert FlakyFolder.tries == 3


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shared.db"
        return
    with postgres_server() as server:
        yield server.url("postgres", "postgres")


def test_a_document_that_a_dead_worker_had_begun_is_ended_by_a_living_one(
    shared_url: str, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    dead = subprocess.run(
        [sys.executable, "-m", "tests.ingest.dying_worker", shared_url, str(notes)],
        cwd=CHECKOUT,
        capture_output=True,
        check=False,
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    steps = Noting(notes)
    jobs = DurableJobs(steps, url=shared_url, worker_id="living")  # type: ignore[arg-type]

    taken = jobs.take_over(["dead"])
    again = jobs.take_over(["dead"])
    jobs.forget(RunId("run"))
    jobs.close()

    assert (taken, again) == (1, 0)
    assert notes.read_text().split("\n")[:-1] == ["read 7", "index 7", "publish 7"]
