"""The refusal inside one interpreter: what it stops, what it lets through, what it tells."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import silence

REPOSITORY = Path(__file__).parents[2]
OUTSIDE_V4 = "192.0.2.77"
"""From the block kept for documentation (RFC 5737): nobody lives there."""
OUTSIDE_V6 = "2001:db8::77"

REPORT = """
import json
def report(attempt):
    try:
        attempt()
    except silence.EgressRefused as refused:
        print(json.dumps({"refused": True, "host": refused.host, "port": refused.port,
                          "message": str(refused)}))
    except OSError as error:
        print(json.dumps({"refused": False, "error": repr(error)}))
    else:
        print(json.dumps({"refused": False, "error": ""}))
"""


def run_python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def attempt(code: str, *, allowed: tuple[str, ...] = ()) -> dict[str, object]:
    """Return what became of one attempt, made in an interpreter that keeps silent."""
    done = run_python(
        "from muniment import silence\n"
        f"silence.enforce({allowed!r})\n"
        "import http.client, queue, socket, threading\n"
        f"{REPORT}\n{textwrap.dedent(code)}"
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.fixture
def listening_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(f"report(lambda: socket.create_connection(('{OUTSIDE_V4}', 443)))", id="tcp4"),
        pytest.param(f"report(lambda: socket.create_connection(('{OUTSIDE_V6}', 443)))", id="tcp6"),
        pytest.param(
            f"report(lambda: socket.socket().connect_ex(('{OUTSIDE_V4}', 443)))", id="connect_ex"
        ),
        pytest.param(
            "dgram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f"report(lambda: dgram.sendto(b'?', ('{OUTSIDE_V4}', 53)))",
            id="udp name query",
        ),
        pytest.param(
            "dgram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f"report(lambda: dgram.sendmsg([b'?'], [], 0, ('{OUTSIDE_V4}', 9)))",
            id="sendmsg",
        ),
        pytest.param(
            "report(lambda: socket.getaddrinfo('outside.example', 443))", id="getaddrinfo"
        ),
        pytest.param("report(lambda: socket.gethostbyname('outside.example'))", id="gethostbyname"),
        pytest.param(
            "report(lambda: socket.gethostbyname_ex('outside.example'))", id="gethostbyname_ex"
        ),
        pytest.param(f"report(lambda: socket.gethostbyaddr('{OUTSIDE_V4}'))", id="gethostbyaddr"),
        pytest.param(f"report(lambda: socket.getnameinfo(('{OUTSIDE_V4}', 1), 0))", id="nameinfo"),
        pytest.param(
            "report(lambda: http.client.HTTPSConnection('outside.example').request('GET', '/'))",
            id="http client",
        ),
        pytest.param(
            "report(lambda: socket.create_connection(('::ffff:192.0.2.77', 443)))", id="mapped"
        ),
        pytest.param("report(lambda: socket.socket().connect(('3232235521', 80)))", id="decimal"),
        pytest.param(
            "report(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))", id="packet socket"
        ),
        pytest.param(
            "report(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))",
            id="ping",
        ),
    ],
)
def test_no_way_out_through_the_socket_module(code: str) -> None:
    outcome = attempt(code)

    assert outcome["refused"] is True


def test_a_thread_is_refused_as_its_parent_is() -> None:
    outcome = attempt(
        f"""
        caught = queue.Queue()
        def leak():
            try:
                socket.create_connection(("{OUTSIDE_V4}", 443), timeout=5)
            except OSError as error:
                caught.put(error)
        thread = threading.Thread(target=leak)
        thread.start()
        thread.join()
        def again():
            raise caught.get()
        report(again)
        """
    )

    assert outcome["refused"] is True


def test_a_resolver_on_loopback_is_no_way_out_either() -> None:
    outcome = attempt(
        "dgram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "report(lambda: dgram.sendto(b'?', ('127.0.0.53', 53)))"
    )

    assert outcome["refused"] is True


def test_the_refusal_names_host_and_port_and_the_setting_that_would_allow_it() -> None:
    outcome = attempt(f"report(lambda: socket.create_connection(('{OUTSIDE_V4}', 443)))")

    assert (outcome["host"], outcome["port"]) == (OUTSIDE_V4, 443)
    assert "MUNIMENT_ALLOWED_HOSTS" in str(outcome["message"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_may_be_reached(host: str, listening_port: int) -> None:
    outcome = attempt(f"report(lambda: socket.create_connection(('{host}', {listening_port})))")

    assert outcome == {"refused": False, "error": ""}


def test_a_unix_socket_may_be_reached(tmp_path: Path) -> None:
    place = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        server.listen()

        outcome = attempt(f"report(lambda: socket.socket(socket.AF_UNIX).connect({str(place)!r}))")

    assert outcome == {"refused": False, "error": ""}


@pytest.mark.parametrize("allowed", [OUTSIDE_V4, "192.0.2.0/24", f"{OUTSIDE_V4}/32"])
def test_a_configured_address_may_be_reached(allowed: str) -> None:
    outcome = attempt(
        "dgram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"report(lambda: dgram.connect(('{OUTSIDE_V4}', 9)))",
        allowed=(allowed,),
    )

    assert outcome["refused"] is False


def test_a_configured_name_may_be_looked_up_and_its_neighbour_may_not() -> None:
    configured = attempt(
        "report(lambda: socket.getaddrinfo('store.invalid', 1))", allowed=("Store.invalid.",)
    )
    neighbour = attempt(
        "report(lambda: socket.getaddrinfo('other.invalid', 1))", allowed=("store.invalid",)
    )

    assert configured["refused"] is False
    assert neighbour["refused"] is True


def test_enforcing_again_replaces_the_hosts_and_never_lifts_the_refusal() -> None:
    outcome = attempt(
        f"""
        silence.enforce(("{OUTSIDE_V4}",))
        silence.enforce()
        report(lambda: socket.create_connection(("{OUTSIDE_V4}", 443)))
        """
    )

    assert outcome["refused"] is True


def test_importing_the_module_sets_every_switch_and_removes_proxies() -> None:
    done = run_python(
        "import json, os\nfrom muniment import silence\nprint(json.dumps(dict(os.environ)))",
        HTTPS_PROXY="http://proxy.example:3128",
        all_proxy="socks5://proxy.example:1080",
        HF_HUB_OFFLINE="0",
    )

    variables = json.loads(done.stdout)
    assert silence.SWITCHES.items() <= variables.items()
    assert not {"HTTPS_PROXY", "all_proxy"} & variables.keys()


def test_a_child_gets_a_silent_environment_whatever_it_started_from() -> None:
    variables = silence.environment({"http_proxy": "http://proxy.example", "HOME": "/nowhere"})

    assert variables == {"HOME": "/nowhere", **silence.SWITCHES}


@pytest.mark.parametrize("module", silence.MUTED_MODULES)
def test_a_muted_library_cannot_be_imported(module: str) -> None:
    done = run_python(f"from muniment import silence\nimport {module}")

    assert "ModuleNotFoundError" in done.stderr


def test_folders_that_hide_bundled_files_are_left_alone() -> None:
    assert not {"TIKTOKEN_CACHE_DIR", "NLTK_DATA"} & silence.SWITCHES.keys()


def test_importing_the_parser_library_asks_nobody() -> None:
    """Its import phones home unless two switches have just the value it compares with."""
    done = run_python(
        "from muniment import silence\nsilence.enforce()\nimport unstructured.logger\n",
        HOME="/nonexistent",
    )

    assert done.returncode == 0, done.stderr
    assert "egress.refused" not in done.stderr
