"""The whole of Muniment, started, used and stopped as a person does it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import Stack, free_ports


def children_of(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    found = {pid}
    while more := {child for child, parent in pairs if parent in found} - found:
        found |= more
    return found - {pid}


def test_what_up_prints_is_enough_to_sign_in(stack: Stack) -> None:
    printed = stack.log.read_text()

    assert stack.page_url in printed
    for name, password in stack.passwords.items():
        assert f"{password}" in printed
        signed_in = httpx.post(
            f"{stack.service_url}/v1/session", json={"name": name, "password": password}
        )
        assert signed_in.status_code == httpx.codes.OK


def test_passwords_lie_in_a_file_for_the_owner_alone(stack: Stack) -> None:
    assert (stack.data / "sample-accounts.txt").stat().st_mode & 0o077 == 0


def test_a_question_on_the_command_line_is_answered_by_the_running_service(stack: Stack) -> None:
    asked = stack.muniment(
        "ask", "How many days of holiday do I get?", "--as", "margaret", "--json"
    )

    answer = json.loads(asked.stdout)
    assert asked.returncode == 0, asked.stderr
    assert answer["outcome"] == "answered"
    assert answer["citations"][0]["quote"]
    assert answer["passages"]
    assert answer["timings"]["total"] > 0


def test_a_search_finds_only_what_the_person_may_read(stack: Stack) -> None:
    question = "minutes of the board"
    hers = json.loads(stack.muniment("search", question, "--as", "beatrix", "--json").stdout)
    his = json.loads(stack.muniment("search", question, "--as", "priya", "--json").stdout)

    assert any(found["path"].startswith("board/") for found in hers["passages"])
    assert not any(found["path"].startswith("board/") for found in his["passages"])


def test_ingestion_is_handed_to_the_running_service(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "note.md").write_text("# Badgers\n\nThe badger wakes at dusk.\n")

    first = stack.muniment("ingest", str(tmp_path / "papers"), "--groups", "staff", "--json")
    again = stack.muniment("ingest", str(tmp_path / "papers"), "--json")

    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["totals"]["added"] == 1
    assert json.loads(again.stdout)["totals"]["unchanged"] == 1
    found = stack.muniment("search", "When does the badger wake?", "--as", "priya", "--json")
    assert json.loads(found.stdout)["passages"][0]["path"] == "note.md"


def test_a_file_that_cannot_be_read_is_quarantined_and_said(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "report.pdf").write_bytes(b"%PDF-1.7\nnothing follows")
    (tmp_path / "broken" / "note.md").write_text("# Otters\n\nOtters swim.\n")

    ended = stack.muniment("ingest", str(tmp_path / "broken"), "--groups", "staff", "--json")

    totals = json.loads(ended.stdout)["totals"]
    assert ended.returncode == 1
    assert (totals["files"], totals["added"], totals["quarantined"]) == (2, 1, 1)


def test_a_second_up_on_the_same_folder_is_refused_and_the_first_goes_on(stack: Stack) -> None:
    second = stack.muniment("up", "--no-model")

    assert second.returncode == 3
    assert str(stack.pid) in second.stderr
    assert httpx.get(f"{stack.service_url}/ready").status_code == httpx.codes.OK


def test_the_doctor_finds_a_running_installation_well(stack: Stack) -> None:
    ended = stack.muniment("doctor", "--json")

    assert [each for each in json.loads(ended.stdout) if not each["well"]] == []
    assert ended.returncode == 0


def start_alone(data: Path, *options: str) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    page, service, model = free_ports(3)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUNIMENT_")},
        "MUNIMENT_DATA": str(data),
        "MUNIMENT_PORT": str(page),
        "MUNIMENT_SERVICE_PORT": str(service),
        "MUNIMENT_MODEL_PORT": str(model),
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "muniment", "up", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process, environment


def wait_for_children(pid: int, count: int) -> set[int]:
    deadline = time.monotonic() + 60
    while len(found := children_of(pid)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_being_told_to_stop_while_starting_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    process, environment = start_alone(tmp_path / "data", "--no-model", "--no-samples")
    started = wait_for_children(process.pid, 2)

    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)

    assert process.returncode == 0, printed
    assert "Traceback" not in printed
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
    with socket.create_server(("127.0.0.1", int(environment["MUNIMENT_PORT"]))):
        pass


def test_a_service_that_dies_ends_everything_with_its_log_named(tmp_path: Path) -> None:
    process, _ = start_alone(tmp_path / "data", "--no-model", "--no-samples")
    _signer, service, _page = sorted(wait_for_children(process.pid, 3))
    started = children_of(process.pid)

    os.kill(service, signal.SIGKILL)
    printed, _ = process.communicate(timeout=60)

    assert process.returncode == 3
    assert "service.log" in printed.replace("\n", "")
    assert "Traceback" not in printed
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


@pytest.mark.model
def test_with_the_real_model_server_an_answer_is_cited(model_stack: Stack) -> None:
    asked = model_stack.muniment(
        "ask", "How soon must a complaint be acknowledged?", "--as", "margaret", "--json"
    )

    answer = json.loads(asked.stdout)
    assert answer["outcome"] == "answered", asked.stderr
    assert answer["citations"]
    assert answer["timings"]["first_token"] > 0
