import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit.errors import AuditUnavailable, EntryNotThere, ExportFailed
from audit.log import AuditLog
from muniment.audit_commands import audit
from muniment.settings import load_settings
from muniment.terminal import exit_code_of

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

        shown = run("show", "--limit", 4)

        assert shown.exit_code == 0
        assert shown.output.index("fee for case 3") < shown.output.index("fee for case 2")
        assert "4 of 7 entries." in shown.output  # this look is on record, too

    def test_filters_by_type_person_and_time(self, run: Run, log: AuditLog, fill: Fill) -> None:
        fill(log, 6)

        signed_in = run("show", "--type", "auth", "--person", "Ada Lovelace", "--json")
        later = run("show", "--since", "2126-11-23", "--json")

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
    def test_a_bundle_can_be_verified_from_its_folder_alone(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)
        output = tmp_path / "out"

        exported = run("export", "--output", output)
        with_own_keys = run("verify", output)
        key = run("keys").output.strip()
        with_given_keys = run("verify", output, "--log-key", key, "--witness-key", "-")

        assert exported.exit_code == 0, exported.output
        assert "7 entries written" in exported.output
        assert f"python3 {output}/verify.py {key} - {output}" in exported.output
        assert with_own_keys.exit_code == with_given_keys.exit_code == 0
        assert "VERIFIED." in with_given_keys.output
        assert log.entries()[-1].type == "export.audit"

    @pytest.mark.parametrize("form", ["ocsf", "cef", "syslog", "csv", "parquet", "pdf", "jsonl"])
    def test_every_form_can_be_asked_for(
        self, form: str, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)

        exported = run("export", "--format", form, "--output", tmp_path / "out")

        assert exported.exit_code == 0, exported.output
        assert "7 entries written" in exported.output

    def test_what_is_chosen_narrows_it(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)
        output = tmp_path / "out"

        run(
            *("export", "--format", "jsonl", "--output", output, "--type", "auth"),
            *("--person", "Ada Lovelace", "--since", "2026-11-01", "--until", "2026-12-01"),
        )

        (line,) = output.read_text().splitlines()
        assert json.loads(line)["type"] == "auth.login"

    def test_can_leave_out_names_and_texts(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)
        output = tmp_path / "out"

        run("export", "--format", "csv", "--output", output, "--without-payloads")

        assert "Lovelace" not in output.read_text()

    def test_what_exists_is_not_replaced(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)
        (tmp_path / "out").write_text("earlier")

        exported = run("export", "--output", tmp_path / "out")

        assert isinstance(exported.exception, ExportFailed)
        assert "exists" in str(exported.exception)
        assert (tmp_path / "out").read_text() == "earlier"

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--format", "xml"],
            ["--type", "rag.asked"],
            ["--since", "yesterday"],
            ["--until", "2026-13-01"],
        ],
    )
    def test_bad_input_is_not_understood(
        self, arguments: list[str], run: Run, log: AuditLog, tmp_path: Path
    ) -> None:
        assert run("export", "--output", tmp_path / "out", *arguments).exit_code == 2
        assert log.count() == 0

    def test_without_a_record_there_is_nothing_to_hand_out(self, run: Run, tmp_path: Path) -> None:
        for command in (
            ["export", "--output", tmp_path / "out"],
            ["prove", 0, "--output", tmp_path / "out"],
            ["checkpoint"],
            ["keys"],
        ):
            assert isinstance(run(*command).exception, AuditUnavailable)
        assert not (tmp_path / "audit").exists()


class TestProve:
    def test_one_entry_is_proved_and_verified(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)
        output = tmp_path / "proof"

        proved = run("prove", 3, "--output", output)
        verified = run("verify", output)

        assert proved.exit_code == 0, proved.output
        assert "Proof of entry 3 written" in proved.output
        assert "Entry 3 is one of the 7" in verified.output

    def test_an_entry_that_is_not_there_is_a_sentence(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)

        proved = run("prove", 6, "--output", tmp_path / "proof")

        assert isinstance(proved.exception, EntryNotThere)
        assert exit_code_of(proved.exception) == 2

    @pytest.mark.parametrize("sequence", ["-1", "x", "1.5"])
    def test_what_is_no_number_is_not_understood(
        self, sequence: str, run: Run, log: AuditLog, tmp_path: Path
    ) -> None:
        assert run("prove", "--output", tmp_path / "proof", "--", sequence).exit_code == 2


class TestVerifyFolder:
    def test_a_changed_export_gives_one_and_the_fault(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)
        run("export", "--output", tmp_path / "out")
        (tmp_path / "out" / "payloads" / "2.json").write_text("{}")

        verified = run("verify", tmp_path / "out")

        assert verified.exit_code == 1
        assert "NOT VERIFIED. The payload of entry 2" in verified.output

    def test_a_checkpoint_kept_from_earlier_is_compared(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)
        kept = run("checkpoint", "--output", tmp_path / "kept")
        run("export", "--output", tmp_path / "out")

        verified = run("verify", tmp_path / "out", "--old-checkpoint", tmp_path / "kept")

        assert kept.exit_code == 0, kept.output
        assert "older checkpoint of 6 entries is of this very history" in verified.output

    @pytest.mark.parametrize("option", ["--log-key", "--witness-key", "--old-checkpoint"])
    def test_keys_need_a_folder(self, option: str, run: Run, log: AuditLog) -> None:
        assert run("verify", option, "x").exit_code == 2

    def test_without_a_record_the_keys_must_be_given(self, run: Run, tmp_path: Path) -> None:
        verified = run("verify", tmp_path)

        assert verified.exit_code == 2
        assert "Give --log-key" in verified.output

    def test_a_kept_head_is_not_for_a_folder(self, run: Run, log: AuditLog, tmp_path: Path) -> None:
        assert run("verify", tmp_path, "--head", "ab" * 32, "--entries", 1).exit_code == 2

    def test_a_folder_that_is_not_there_is_named(
        self, run: Run, log: AuditLog, tmp_path: Path
    ) -> None:
        verified = run("verify", tmp_path / "nowhere")

        assert verified.exit_code == 1
        assert "There is no folder" in verified.output


class TestCheckpointAndKeys:
    def test_a_checkpoint_is_printed_as_it_was_signed(
        self, run: Run, log: AuditLog, fill: Fill
    ) -> None:
        fill(log, 6)

        printed = run("checkpoint")

        assert printed.output == log.newest_checkpoint()
        assert printed.output.splitlines()[1] == "6"

    def test_a_checkpoint_never_replaces_a_file(
        self, run: Run, log: AuditLog, fill: Fill, tmp_path: Path
    ) -> None:
        fill(log, 6)
        (tmp_path / "kept").write_text("earlier")

        assert isinstance(run("checkpoint", "--output", tmp_path / "kept").exception, ExportFailed)
        assert (tmp_path / "kept").read_text() == "earlier"

    def test_keys_are_printed_a_line_each(self, run: Run, log: AuditLog, fill: Fill) -> None:
        fill(log, 6)

        (key,) = run("keys").output.splitlines()

        assert json.loads(run("keys", "--json").output) == {"log": key, "witnesses": []}
        assert run("checkpoint").output.startswith(key.split("+")[0] + "\n6\n")


@pytest.mark.parametrize("command", ["show", "verify", "export", "prove", "checkpoint", "keys"])
def test_every_help_shows_an_example(command: str, run: Run) -> None:
    assert f"muniment audit {command}" in run(command, "--help").output
