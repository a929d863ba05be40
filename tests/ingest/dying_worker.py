"""A worker that dies in the middle of a document: ``dying_worker.py URL FILE``."""

# First of all: the silence every program keeps.
import muniment.silence  # isort: split

import os
import signal
import sys
from pathlib import Path

from corpus.records import RunId
from ingest.jobs import DurableJobs


class Noting:
    """Steps that note what they are asked for, one of which may end the process."""

    def __init__(self, file: Path, *, deadly: str = "") -> None:
        self._file = file
        self._deadly = deadly

    def read(self, sequence: int) -> bool:
        self._note("read", sequence)
        return True

    def index(self, sequence: int) -> None:
        self._note("index", sequence)

    def publish(self, sequence: int) -> None:
        self._note("publish", sequence)

    def _note(self, step: str, sequence: int) -> None:
        if step == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        with self._file.open("a") as file:
            file.write(f"{step} {sequence}\n")


if __name__ == "__main__":
    muniment.silence.enforce()
    steps = Noting(Path(sys.argv[2]), deadly="index")
    jobs = DurableJobs(steps, url=sys.argv[1], worker_id="dead")  # type: ignore[arg-type]
    jobs.start(RunId("run"), 7).result()
