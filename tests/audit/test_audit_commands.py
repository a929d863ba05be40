import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit.errors import AuditUnavailable
from audit.log import AuditLog
from muniment.audit_commands import audit
from muniment.settings import load_settings

Fill = Callable[[AuditLog, int], None]
Tamper = Callable[[Path, Callable[[sqlite3.Connection], object]], None]
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command on the record of the test's folder, as the whole command line would."""

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(
            audit,
            [str(argument) for argument in arguments],
            obj=load_settings(data=tmp_path),
            terminal_width=200,
            env={"COLUMNS": "200"},
        )

    return invoke


class TestShow:
    def test_tells_the_newest_entries_first(self, run: Run, log: AuditLog, fill: Fill) -> None:
        fill(log, 6)

        shown = run("show", "--limit", 2)

        assert shown.exit_code == 0
        assert shown.output.index("fee for case 3") < shown.output.index("fee for case 2")
        assert "2 of 6 entries." in shown.output

    def test_filters_by_type_person_and_time(self, run: Run, log: AuditLog, fill: Fill) -> None:
        fill(log, 6)

        signed_in = run("show", "--type", "auth", "--person", "Ada Lovelace", "--json")
        later = run("show", "--since", "2026-11-23", "--json")

        assert [entry["type"] for entry in json.loads(signed_in.output)] == ["auth.login"]
        assert json.loads(later.output) == []

    def test_says_which_types_there_are(self, run: Run, log: AuditLog) -> None:
        shown = run("show", "--type", "rag.asked")

        assert shown.exit_code == 2
        assert "rag.ask," in shown.output

    def test_what_people_wrote_cannot_steer_the_terminal(
        self, run: Run, log: AuditLog, asked: Callable[..., object]
    ) -> None:
        log.append(asked(person="[red]Ada\x1b[2J"))  # type: ignore[arg-type]

        shown = run("show")

        assert "[red]Ada [2J asked" in shown.output
        assert "\x1b" not in shown.output


class TestVerify:
    def test_an_intact_record_gives_zero_and_a_head_to_keep(
        self, run: Run, log: AuditLog, fill: Fill
    ) -> None:
        fill(log, 6)

        verified = run("verify")

        assert verified.exit_code == 0
        assert "all 6 entries hold" in verified.output
        assert f"--head {log.entries()[5].leaf_hash} --entries 6" in verified.output
        assert "verified the record: 6 events, intact" in log.entries()[-1].summary

    def test_a_tampered_one_gives_one_and_the_fault(
        self, run: Run, log: AuditLog, fill: Fill, tamper: Tamper
    ) -> None:
        fill(log, 6)
        tamper(log.path, lambda db: db.execute("UPDATE audit_entry SET type = 'x' WHERE seq = 2"))

        verified = run("verify", "--json")

        assert verified.exit_code == 1
        assert json.loads(verified.output)["intact"] is False
        assert "Entry 2" in json.loads(verified.output)["fault"]

    def test_a_kept_head_shows_a_cut_tail(
        self, run: Run, log: AuditLog, fill: Fill, tamper: Tamper
    ) -> None:
        fill(log, 6)
        kept = log.verify()
        tamper(
            log.path,
            lambda db: db.executescript(
                "DELETE FROM audit_payload WHERE seq = 5; DELETE FROM audit_entry WHERE seq = 5"
            ),
        )

        verified = run("verify", "--head", kept.head, "--entries", 7)

        assert verified.exit_code == 1
        assert "NOT intact" in verified.output

    @pytest.mark.parametrize(
        "arguments", [["--head", "ab" * 32], ["--entries", "3"], ["--head", "x", "--entries", "3"]]
    )
    def test_half_of_a_kept_head_is_not_understood(
        self, arguments: list[str], run: Run, log: AuditLog
    ) -> None:
        assert run("verify", *arguments).exit_code == 2

    def test_a_missing_record_is_not_made(self, run: Run, tmp_path: Path) -> None:
        verified = run("verify")

        assert isinstance(verified.exception, AuditUnavailable)
        assert not (tmp_path / "audit").exists()


class TestExport:
    def test_can_be_verified_from_the_file_alone(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)
        output = tmp_path / "out.jsonl"

        exported = run("export", "--format", "jsonl", "--output", output)
        verified = run("verify", "--file", output)

        assert exported.exit_code == 0, exported.output
        assert "7 entries written" in exported.output
        assert verified.exit_code == 0
        assert log.entries()[-1].type == "export.audit"
        assert log.count() == 7

    def test_can_leave_out_names_and_texts(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)
        output = tmp_path / "out.jsonl"

        run("export", "--output", output, "--without-payloads")
        verified = run("verify", "--file", output)

        assert "Lovelace" not in output.read_text()
        assert verified.exit_code == 0
        assert "not checked: 6" in verified.output


@pytest.mark.parametrize("command", ["show", "verify", "export"])
def test_every_help_shows_an_example(command: str, run: Run) -> None:
    assert f"muniment audit {command}" in run(command, "--help").output
