import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

import audit.errors
import corpus.errors
import ingest.errors
import muniment.errors
import rag.errors
from muniment.__main__ import COMMANDS, cli
from muniment.settings import CHECKOUT
from muniment.terminal import UNAVAILABLE, USAGE, ExitCode, exit_code_of, plain, sentence_of


def run(
    *arguments: str, data: Path, environment: dict[str, str] | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": "/usr/bin:/bin", "MUNIMENT_DATA": str(data), "MUNIMENT_MODEL_OFF": "1"}
    return subprocess.run(
        [sys.executable, "-m", "muniment", *arguments],
        env=variables | (environment or {}),
        capture_output=True,
        text=True,
        input=text,
        check=False,
        timeout=120,
    )


def commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield " ".join((*path, name)), found
            yield from commands(found, (*path, name))


def test_every_command_shows_an_example_of_itself() -> None:
    for name, command in commands():
        shown = command.get_help(click.Context(command, info_name=name))

        assert f"muniment {name}" in shown.split("Example:")[-1], name


def test_every_command_is_documented() -> None:
    written = (CHECKOUT / "docs" / "commands.md").read_text()
    leaves = [name for name, command in commands() if not isinstance(command, click.Group)]

    missing = [name for name in leaves if f"`muniment {name}" not in written]

    assert missing == []


def test_every_documented_command_exists() -> None:
    written = (CHECKOUT / "docs" / "commands.md").read_text()
    named = re.findall(r"^\| `muniment ([a-z]+(?: [a-z]+(?:-[a-z]+)?)?)", written, re.MULTILINE)

    assert set(named) <= {name for name, _ in commands()}


def test_help_does_not_wait_for_libraries(tmp_path: Path) -> None:
    heavy = "{'torch', 'openvino', 'streamlit', 'sqlalchemy'}"
    code = f"import sys, muniment.__main__; print(sorted({heavy} & set(sys.modules)))"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (["--nonsense"], {}, 2, "No such option"),
        (["nonsense"], {}, 2, "No such command"),
        (["user", "list"], {"MUNIMENT_PROT": "1"}, 2, "MUNIMENT_PORT"),
        (["user", "list"], {"MUNIMENT_PORT": "x"}, 2, "MUNIMENT_PORT"),
        (["user", "list"], {"MUNIMENT_CONFIG": "/nowhere.toml"}, 2, "/nowhere.toml"),
        (["user", "list"], {"MUNIMENT_DATA": "/dev/null/x"}, 3, "MUNIMENT_DATA"),
        (["user", "remove", "nobody"], {}, 2, "nobody"),
        (["user", "groups", "nobody", "a"], {}, 2, "nobody"),
        (["ask", "What?", "--as", "nobody"], {}, 2, "nobody"),
        (["ask", " ", "--as", "nobody"], {}, 2, "empty"),
        (["search", "x" * 5000, "--as", "nobody"], {}, 2, "4000"),
        (["ingest", "/nowhere/at/all"], {}, 2, "/nowhere/at/all"),
        (["source", "remove", "nothing"], {}, 2, "nothing"),
        (["source", "sync", "nothing"], {}, 2, "nothing"),
        (["up", "--port", "99999"], {}, 2, "65535"),
        (["evaluate", "samples", "--questions", "/nowhere.jsonl"], {}, 2, "/nowhere.jsonl"),
    ],
)
def test_what_a_user_can_cause_ends_in_a_sentence_never_a_traceback(
    tmp_path: Path, arguments: Sequence[str], environment: dict[str, str], code: int, said: str
) -> None:
    ended = run(*arguments, data=tmp_path, environment=environment)

    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_busy_port_is_named_with_the_setting_that_chooses_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        ended = run("up", "--no-model", "--no-samples", "--port", port, data=tmp_path)

    assert ended.returncode == ExitCode.UNAVAILABLE
    assert port in ended.stderr
    assert "MUNIMENT_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_model_server_that_is_not_installed_is_said_before_anything_starts(
    tmp_path: Path,
) -> None:
    environment = {
        "MUNIMENT_MODEL_OFF": "0",
        "MUNIMENT_MODEL_ENVIRONMENT": str(tmp_path / "nothing"),
        "MUNIMENT_PORT": free_port(),
        "MUNIMENT_SERVICE_PORT": free_port(),
    }

    ended = run("up", "--no-samples", data=tmp_path, environment=environment)

    assert ended.returncode == ExitCode.UNAVAILABLE
    assert "make up" in ended.stderr
    assert "--no-model" in ended.stderr


def test_accounts_are_added_listed_changed_and_removed(tmp_path: Path) -> None:
    password = "a long enough passphrase"

    added = run("user", "add", "ada", "--groups", "a,b", data=tmp_path, text=f"{password}\n" * 2)
    changed = run("user", "groups", "ada", "c", data=tmp_path)
    listed = json.loads(run("user", "list", "--json", data=tmp_path).stdout)
    removed = run("user", "remove", "ada", data=tmp_path)

    assert (added.returncode, changed.returncode, removed.returncode) == (0, 0, 0)
    assert listed == [{"name": "ada", "groups": ["c"], "roles": ["reader"]}]
    assert json.loads(run("user", "list", "--json", data=tmp_path).stdout) == []
    assert password not in added.stdout + added.stderr


def test_what_an_operator_changes_is_on_the_record(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()

    run("source", "add", str(documents), "--groups", "a", data=tmp_path / "data")
    shown = run("audit", "show", "--json", data=tmp_path / "data")

    assert "admin.config" in shown.stdout


def test_a_name_that_stands_for_another_folder_is_not_taken_over(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "papers", tmp_path / "b" / "papers"
    first.mkdir(parents=True)
    second.mkdir(parents=True)

    run("source", "add", str(first), "--groups", "a", data=tmp_path / "data")
    ended = run("source", "add", str(second), "--groups", "a", data=tmp_path / "data")

    assert ended.returncode == ExitCode.USAGE
    assert str(first) in ended.stderr


def test_every_error_of_ours_has_an_exit_code_of_its_kind() -> None:
    assert exit_code_of(muniment.errors.SettingsInvalid("x")) is ExitCode.USAGE
    assert exit_code_of(corpus.errors.IndexUnavailable("x")) is ExitCode.UNAVAILABLE
    assert exit_code_of(audit.errors.AuditUnavailable("x")) is ExitCode.UNAVAILABLE
    assert exit_code_of(ingest.errors.StorageFailed("x")) is ExitCode.UNAVAILABLE
    assert exit_code_of(rag.errors.NotAllowed("x")) is ExitCode.NOT_DONE
    assert set(USAGE).isdisjoint(UNAVAILABLE)


def test_a_full_disk_is_called_one() -> None:
    assert "full" in sentence_of(OSError(28, "No space left on device", "/data/x"))


def test_a_document_cannot_steer_the_terminal() -> None:
    assert plain("a\x1b[2Jb\x07c\nd") == "a [2Jb c\nd"


def test_the_summary_of_each_command_is_where_it_says() -> None:
    for name, entry in COMMANDS.items():
        command = cli.get_command(click.Context(cli), name)

        assert command is not None
        assert command.hidden is entry.hidden


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])
