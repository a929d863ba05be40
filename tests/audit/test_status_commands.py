"""The commands that keep the record watched, as an operator runs them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit.checkpoints import Checkpointer
from audit.events import SystemStarted
from audit.log import AuditLog, utc_now
from audit.notes import check_note, parse_note, parse_vkey
from audit.signer import KeySigner
from audit.witness import FolderWitness
from muniment.audit_commands import audit
from muniment.record_programs import note_unclean_end
from muniment.recording import outlets_of, signer_of, witnesses_of
from muniment.settings import Settings, load_settings

Run = Callable[..., Result]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data=tmp_path)


@pytest.fixture
def run(settings: Settings) -> Run:
    def command(*arguments: str) -> Result:
        return CliRunner().invoke(audit, list(arguments), obj=settings)

    return command


@pytest.fixture
def record(settings: Settings) -> Iterator[AuditLog]:
    with closing(AuditLog.open(settings.data / "audit", signer=signer_of(settings))) as made:
        yield made


def test_a_record_that_is_kept_is_alive(run: Run, record: AuditLog) -> None:
    Checkpointer(record).step()

    said = run("status")

    assert said.exit_code == 0, said.output
    assert "Newest checkpoint: 1 entries, 0 cosignatures." in said.output
    assert record.log_vkey in said.output


def test_a_record_that_nobody_keeps_is_amiss(run: Run, record: AuditLog) -> None:
    record.append(SystemStarted(version="1", configuration_sha256="ab", model=""))

    said = run("status")

    assert said.exit_code == 1
    assert "AMISS: There is no heartbeat yet" in said.output
    assert "AMISS: There is no checkpoint yet" in said.output


def test_a_clock_behind_the_record_is_said_and_can_be_accepted(
    run: Run, record: AuditLog, settings: Settings
) -> None:
    ahead = AuditLog.open(settings.data / "audit", clock=lambda: utc_now() + timedelta(days=1))
    with closing(ahead):
        ahead.append(SystemStarted(version="1", configuration_sha256="ab", model=""))

    assert "clock of this machine is behind" in str(run("clock").exception)
    assert run("clock", "--accept").exit_code == 0
    assert run("clock").output == "The clock is not behind the record.\n"


def test_a_witness_answers_what_a_stick_brings(
    run: Run, record: AuditLog, settings: Settings, tmp_path: Path
) -> None:
    stick, state = tmp_path / "stick", tmp_path / "witness"
    stick.mkdir()
    printed = run("witness", "--state", str(state)).output.split(": ")[1].strip()
    chosen = settings.model_copy(update={"witness_folder": str(stick), "witness_vkey": printed})
    (carried,) = witnesses_of(chosen)
    assert isinstance(carried, FolderWitness)
    record.append(SystemStarted(version="1", configuration_sha256="ab", model=""))
    record._witnesses = (carried,)
    record.checkpoint()

    said = run("witness", "--state", str(state), "--log", record.log_vkey, "--folder", str(stick))

    assert said.exit_code == 0, said.output
    assert "cosigned 1 entries" in said.output
    assert record.collect_cosignatures() == 1
    check_note(parse_note(str(record.newest_checkpoint())), parse_vkey(printed))


def test_a_witness_refuses_a_log_it_was_not_told_of(
    run: Run, record: AuditLog, tmp_path: Path
) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "x.request").write_text("nonsense")

    said = run("witness", "--state", str(tmp_path / "witness"), "--folder", str(tmp_path / "stick"))

    assert said.exit_code == 1
    assert "x.request: REFUSED" in said.output


def test_a_witness_without_its_key_stops_the_start(settings: Settings) -> None:
    chosen = settings.model_copy(update={"witness_url": "http://127.0.0.1:9"})

    with pytest.raises(Exception, match="MUNIMENT_WITNESS_VKEY must be the key"):
        witnesses_of(chosen)


def test_where_a_socket_is_named_nothing_else_signs(settings: Settings, tmp_path: Path) -> None:
    chosen = settings.model_copy(update={"signer_socket": str(tmp_path / "nobody")})

    assert isinstance(signer_of(settings), KeySigner)
    assert not isinstance(signer_of(chosen), KeySigner)


def test_checkpoints_go_where_the_settings_say(settings: Settings, tmp_path: Path) -> None:
    chosen = settings.model_copy(
        update={
            "checkpoint_folder": str(tmp_path),
            "checkpoint_syslog": "/dev/log",
            "checkpoint_mail_folder": str(tmp_path / "mail"),
        }
    )

    names = [type(each).__name__ for each in outlets_of(chosen)]
    assert names == ["FolderOutlet", "SyslogOutlet", "MailOutlet"]
    assert outlets_of(settings) == []


def test_a_program_that_ended_without_a_word_leaves_a_gap(record: AuditLog) -> None:
    note_unclean_end(record)
    assert record.count() == 0
    record.append(SystemStarted(version="1", configuration_sha256="ab", model=""))

    note_unclean_end(record)

    (gap,) = record.entries(type="audit.gap")
    assert gap.envelope["why"] == "not_stopped"
    assert gap.summary.startswith("The program had ended without a word")
