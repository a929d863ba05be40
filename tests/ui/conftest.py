import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ui.client import Client

HERE = Path(__file__).parent
NAME = "amara.okafor"
PASSWORD = "a long enough password"


@pytest.fixture(scope="session")
def service_address() -> Iterator[str]:
    """The address of a stand-in service in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(HERE / "stand_in.py"), str(port)]
    with subprocess.Popen(command) as process:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/ready", process)
        yield address
        process.terminate()


@pytest.fixture(scope="session")
def token(service_address: str) -> str:
    with Client(service_address) as client:
        return client.sign_in(NAME, PASSWORD).token


@pytest.fixture
def client(service_address: str, token: str) -> Iterator[Client]:
    with Client(service_address, token) as found:
        yield found


@pytest.fixture
def stranger(service_address: str) -> Iterator[Client]:
    """A person without any role."""
    with Client(service_address) as client:
        token = client.sign_in("tom.visser", PASSWORD).token
    with Client(service_address, token) as found:
        yield found


def wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "the process ended at once"
        try:
            httpx.get(address, trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the process did not listen within 30 seconds")
