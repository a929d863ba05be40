"""The tripwire must go red when something leaks: a proof that cannot fail proves nothing."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TRIPWIRE = REPOSITORY / "tests" / "attacks" / "tripwire.py"

pytestmark = pytest.mark.namespace


@dataclass(frozen=True)
class Verdict:
    exit_code: int
    command_exit: int
    left: list[dict[str, object]]
    names_asked: list[str]
    output: str

    def reached(self, destination: str) -> bool:
        return any(packet["destination"] == destination for packet in self.left)


@pytest.fixture(scope="module", autouse=True)
def namespaces_are_allowed() -> None:
    available = subprocess.run(
        [sys.executable, TRIPWIRE, "--available"], capture_output=True, text=True, check=False
    )
    if available.returncode:
        pytest.skip(available.stdout.strip())


def under_the_tripwire(*command: str) -> Verdict:
    done = subprocess.run(
        [sys.executable, TRIPWIRE, "--seconds", "60", "--", *command],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    seen = json.loads(done.stdout)
    return Verdict(
        done.returncode, seen["command_exit"], seen["left"], seen["names_asked"], done.stderr
    )


def python(code: str) -> Verdict:
    return under_the_tripwire(sys.executable, "-c", code)


def test_a_command_that_stays_at_home_is_found_silent() -> None:
    verdict = python(
        "import socket; server = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(server.getsockname()).sendall(b'hello')"
    )

    assert (verdict.exit_code, verdict.left) == (0, [])


def test_a_command_that_fails_is_not_reported_as_proof() -> None:
    verdict = python("raise SystemExit(7)")

    assert (verdict.exit_code, verdict.command_exit) == (1, 7)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_connection_to_the_outside_is_seen(address: str) -> None:
    verdict = python(
        "import socket\n"
        f"try: socket.create_connection(({address!r}, 443), timeout=1)\n"
        "except TimeoutError: pass"
    )

    assert verdict.exit_code == 3
    assert verdict.reached(address)


def test_a_hand_made_name_query_is_seen_with_the_name_it_spells() -> None:
    verdict = python(
        "import socket\n"
        "query = b'\\0\\1\\1\\0\\0\\1' + bytes(6) + b'\\6secret\\7example\\0\\0\\1\\0\\1'\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(query, ('192.0.2.53', 53))"
    )

    assert verdict.exit_code == 3
    assert verdict.names_asked == ["secret.example"]


def test_a_name_query_to_a_resolver_on_loopback_is_seen() -> None:
    verdict = python(
        "import socket\n"
        "query = b'\\0\\1\\1\\0\\0\\1' + bytes(6) + b'\\6secret\\7example\\0\\0\\1\\0\\1'\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(query, ('127.0.0.53', 53))"
    )

    assert verdict.exit_code == 3
    assert {packet["at"] for packet in verdict.left} == {"lo"}


def test_looking_a_name_up_is_seen() -> None:
    verdict = python(
        "import socket\ntry: socket.getaddrinfo('leak.example', 443)\nexcept socket.gaierror: pass"
    )

    assert verdict.exit_code == 3
    assert "leak.example" in verdict.names_asked


def test_a_local_announcement_to_everybody_is_seen() -> None:
    verdict = python(
        "import socket\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'?', ('224.0.0.251', 5353))"
    )

    assert verdict.exit_code == 3


def test_a_child_that_never_heard_of_the_refusal_is_seen() -> None:
    verdict = python(
        "from muniment import silence; silence.enforce()\n"
        "import subprocess, sys\n"
        "leak = 'import socket; s = socket.socket(); s.settimeout(1); "
        's.connect_ex(("192.0.2.9", 80))\'\n'
        "subprocess.run([sys.executable, '-c', leak])"
    )

    assert verdict.exit_code == 3
    assert verdict.reached("192.0.2.9")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_native_code_is_seen() -> None:
    verdict = under_the_tripwire("curl", "--silent", "--max-time", "1", "http://192.0.2.10/")

    assert verdict.exit_code == 3
    assert verdict.reached("192.0.2.10")


def test_native_code_inside_the_interpreter_is_seen_though_the_refusal_is_not_asked() -> None:
    """The limit of an audit hook, kept here so that nobody takes it for a wall."""
    verdict = python(
        "from muniment import silence; silence.enforce()\n"
        "import ctypes, socket, struct\n"
        "libc = ctypes.CDLL(None)\n"
        "place = struct.pack('=H', 2) + struct.pack('!H', 9) + socket.inet_aton('192.0.2.11')\n"
        "libc.sendto(libc.socket(2, 2, 0), b'?', 1, 0, place + bytes(8), 16)"
    )

    assert verdict.exit_code == 3
    assert verdict.reached("192.0.2.11")


def test_a_thread_started_by_an_import_is_seen(tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text(
        "import socket, threading\n"
        "def phone():\n"
        "    s = socket.socket(); s.settimeout(1); s.connect_ex(('192.0.2.12', 443))\n"
        "threading.Thread(target=phone).start()\n"
    )

    verdict = python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import chatty")

    assert verdict.exit_code == 3
    assert verdict.reached("192.0.2.12")


def test_the_same_thread_leaves_nothing_when_silence_is_enforced(tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text(
        "import socket, threading\n"
        "def phone():\n"
        "    try: socket.create_connection(('192.0.2.12', 443), timeout=1)\n"
        "    except PermissionError: pass\n"
        "threading.Thread(target=phone).start()\n"
    )

    verdict = python(
        "from muniment import silence; silence.enforce()\n"
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import chatty"
    )

    assert (verdict.exit_code, verdict.left) == (0, [])


def test_the_parser_library_phones_home_without_our_switches_and_not_with_them() -> None:
    """A mutation of the product: should the switches go, this proof goes red."""
    without = under_the_tripwire(
        "env", "-u", "DO_NOT_TRACK", "-u", "SCARF_NO_ANALYTICS", sys.executable, "-c",
        "import unstructured.logger",
    )  # fmt: skip
    with_switches = python("from muniment import silence\nimport unstructured.logger")

    assert without.exit_code == 3
    assert (with_switches.exit_code, with_switches.left) == (0, [])


def test_the_embedding_engine_phones_home_without_our_silence_and_not_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reports every conversion of a model unless its reporter cannot be imported."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    convert = (
        "import openvino, torch\n"
        "openvino.convert_model(torch.nn.Linear(2, 2), example_input=torch.zeros(1, 2))\n"
    )

    without = python(convert)
    silenced = python(f"from muniment import silence\n{convert}")

    assert without.exit_code == 3
    assert (silenced.exit_code, silenced.left) == (0, [])
