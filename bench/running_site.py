"""The whole of Muniment as an operator starts it, for benchmarks that ask it over HTTP."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_SECONDS = 900.0
ENDS_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Site:
    """A running Muniment with the sample documents.

    Attributes:
        service: Address of the service.
        data: Its data folder.
        passwords: Of the sample people, by name.
    """

    service: str
    data: Path
    passwords: dict[str, str]


@contextmanager
def running_site(folder: Path, settings: dict[str, str]) -> Iterator[Site | None]:
    """Start `muniment up` on a data folder of its own and end it afterwards.

    Args:
        folder: An empty folder.
        settings: Further variables, such as the address of a model server that runs already.

    Yields:
        The site; None where it did not become ready, after its last lines were printed.
    """
    page, service, model = _free_ports(3)
    environment = {
        **os.environ,
        "MUNIMENT_DATA": str(folder / "data"),
        "MUNIMENT_PORT": str(page),
        "MUNIMENT_SERVICE_PORT": str(service),
        "MUNIMENT_MODEL_PORT": str(model),
        **settings,
    }
    log = folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "muniment", "up"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        if not _is_ready(process, log):
            print(log.read_text(encoding="utf-8")[-2_000:])
            yield None
            return
        data = folder / "data"
        lines = (data / "sample-accounts.txt").read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t") for line in lines if not line.startswith("#")]
        yield Site(f"http://127.0.0.1:{service}", data, {row[0]: row[1] for row in rows})
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(ENDS_SECONDS)


def _is_ready(process: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Wait until it says so; the model server may take a minute longer than the page."""
    deadline = time.monotonic() + READY_SECONDS
    while "Muniment is ready" not in log.read_text(encoding="utf-8"):
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
