"""What the tests share: silence before all else, and the whole of Muniment as a user starts it."""

# First of all: the silence every program keeps, so that no test can phone home either.
import muniment.silence  # isort: split

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from muniment.model_server import plan_model, prepare_model
from muniment.settings import has_model, load_settings

muniment.silence.enforce()

CHECKOUT = Path(__file__).resolve().parents[1]
MODEL_ENVIRONMENT = CHECKOUT / ".venv-model"
KEPT_MODEL = CHECKOUT / "data" / "models"
"""Converted once; stacks of later runs are given a link to it."""

READY_SECONDS = 540


@dataclass(frozen=True, slots=True)
class Stack:
    """A running Muniment with the sample documents.

    Attributes:
        page_url: Address of the page.
        service_url: Address of the service.
        data: Its data folder.
        passwords: Of the sample people, by name.
        pid: Of `muniment up`.
        log: What `muniment up` printed.
        environment: For further commands on the same data folder.
    """

    page_url: str
    service_url: str
    data: Path
    passwords: dict[str, str]
    pid: int
    log: Path
    environment: dict[str, str]

    def muniment(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command against it."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "muniment", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Muniment without a model, on free ports, with the samples read."""
    yield from _run_stack(tmp_path_factory.mktemp("stack") / "data", ["--no-model"])


@pytest.fixture(scope="session")
def model_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Muniment with a real vLLM; skipped where its environment was not installed."""
    if not (MODEL_ENVIRONMENT / ".installed").exists():
        pytest.skip("the model server is not installed; `make test` installs it in .venv-model")
    data = tmp_path_factory.mktemp("model-stack") / "data"
    KEPT_MODEL.mkdir(parents=True, exist_ok=True)
    data.mkdir()
    (data / "models").symlink_to(KEPT_MODEL)
    yield from _run_stack(data, [])


@pytest.fixture(scope="session")
def packaged_model_folder() -> Path:
    """The packaged model, converted; skipped where the model server was not installed."""
    settings = load_settings(data=KEPT_MODEL.parent, model_environment=str(MODEL_ENVIRONMENT))
    plan = plan_model(settings.model_copy(update={"model_folder": "", "model_name": ""}))
    if not has_model(plan.folder):
        if not (MODEL_ENVIRONMENT / ".installed").exists():
            pytest.skip("the packaged model is not installed; `make test` installs it")
        conversion = prepare_model(plan, log=KEPT_MODEL.parent / "logs" / "model.log")
        assert conversion is not None
        assert conversion.wait() == 0
    return plan.folder


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on, all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _run_stack(data: Path, options: Sequence[str]) -> Iterator[Stack]:
    page, service, model = free_ports(3)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUNIMENT_")},
        "MUNIMENT_DATA": str(data),
        "MUNIMENT_PORT": str(page),
        "MUNIMENT_SERVICE_PORT": str(service),
        "MUNIMENT_MODEL_PORT": str(model),
    }
    log = data.parent / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "muniment", "up", *options],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, log)
        yield Stack(
            page_url=f"http://127.0.0.1:{page}",
            service_url=f"http://127.0.0.1:{service}",
            data=data,
            passwords=_passwords(data),
            pid=process.pid,
            log=log,
            environment=environment,
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_until_ready(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while "Muniment is ready" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"muniment up did not become ready:\n{log.read_text()}")
        time.sleep(0.3)


def _passwords(data: Path) -> dict[str, str]:
    lines = (data / "sample-accounts.txt").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return {row[0]: row[1] for row in rows}
