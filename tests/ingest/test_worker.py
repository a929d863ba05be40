import threading
from pathlib import Path

from ingest.worker import Worker
from tests.ingest.test_pipeline import Desk, desk, embedder

__all__ = ["desk", "embedder"]


def test_the_worker_does_queued_runs_and_survives_a_failing_one(desk: Desk, tmp_path: Path) -> None:
    (desk.folder / "note.txt").write_text("The post comes at ten.")
    absent = desk.catalog.add_source(
        name="absent", location=tmp_path / "absent", groups=frozenset({"staff"})
    )
    failing = desk.catalog.queue_run(absent.source_id)
    working = desk.catalog.queue_run(desk.source_id)
    stop = threading.Event()
    worker = Worker(desk.pipeline(), desk.catalog)
    worker.recover()
    thread = threading.Thread(target=worker.run_until, args=(stop,))

    thread.start()
    while desk.catalog.run(working).state not in {"done", "failed"}:
        stop.wait(0.05)
    stop.set()
    thread.join()

    assert desk.catalog.run(failing).state == "failed"
    assert desk.catalog.run(working).state == "done"
    assert desk.catalog.live_document_count() == 1
