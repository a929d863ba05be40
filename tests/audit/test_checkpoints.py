import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from audit.checkpoints import (
    Checkpointer,
    FolderOutlet,
    MailOutlet,
    Rhythm,
    SyslogOutlet,
    pulse,
)
from audit.errors import SignerUnavailable, WitnessUnavailable
from audit.events import Event
from audit.log import AuditLog
from audit.notes import check_note, parse_checkpoint, parse_note, parse_vkey
from audit.signer import SignerClient
from audit.witness import HttpWitness, KeyWitness

Ask = Callable[..., Event]
Fill = Callable[[AuditLog, int], None]


class Hands:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def pass_by(self, **spans: float) -> None:
        self.now += timedelta(**spans)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def record(tmp_path: Path, hands: Hands) -> Iterator[AuditLog]:
    with closing(AuditLog.open(tmp_path / "audit", clock=hands)) as made:
        yield made


@pytest.fixture
def keeper(record: AuditLog, hands: Hands) -> Checkpointer:
    return Checkpointer(record, Rhythm(seconds=60, entries=20), monotonic=hands.seconds)


def size_of(note: str | None) -> int:
    assert note is not None
    return parse_checkpoint(note).size


def test_the_first_step_beats_and_signs(keeper: Checkpointer, record: AuditLog) -> None:
    keeper.step()

    assert [entry.type for entry in record.entries()] == ["audit.heartbeat"]
    assert size_of(record.newest_checkpoint()) == 1


def test_what_is_new_is_signed_after_a_minute(
    keeper: Checkpointer, record: AuditLog, hands: Hands, asked: Ask
) -> None:
    keeper.step()
    record.append(asked())
    hands.pass_by(seconds=59)
    keeper.step()
    assert record.unsigned() == 1

    hands.pass_by(seconds=1)
    keeper.step()

    assert record.unsigned() == 0


def test_many_entries_are_signed_at_once(
    keeper: Checkpointer, record: AuditLog, asked: Ask
) -> None:
    keeper.step()
    record.append_all([asked(number) for number in range(20)])

    keeper.step()

    assert record.unsigned() == 0


def test_a_checkpoint_covers_the_entry_about_the_one_before(
    keeper: Checkpointer, record: AuditLog, hands: Hands, asked: Ask
) -> None:
    keeper.step()
    first = parse_checkpoint(str(record.newest_checkpoint()))
    record.append(asked())
    hands.pass_by(minutes=1)

    keeper.step()

    about = record.entries(type="audit.checkpoint")[0]
    assert about.envelope["size"] == first.size
    assert about.envelope["root"] == first.root.hex()
    assert size_of(record.newest_checkpoint()) == record.count()


def test_an_idle_record_grows_by_its_heartbeat_alone(
    keeper: Checkpointer, record: AuditLog, hands: Hands
) -> None:
    for _ in range(60):
        keeper.step()
        hands.pass_by(minutes=1)

    assert record.count(type="audit.heartbeat") == 12
    assert record.count() == 23


def test_a_heartbeat_that_is_overdue_is_noticed(
    keeper: Checkpointer, record: AuditLog, hands: Hands
) -> None:
    assert pulse(record, hands()).last is None
    keeper.step()
    hands.pass_by(minutes=9)
    assert pulse(record, hands()).alive

    hands.pass_by(minutes=1)

    assert not pulse(record, hands()).alive


def test_a_signer_that_is_away_is_asked_again(
    tmp_path: Path, hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    away = SignerClient(tmp_path / "nobody" / "socket")
    with closing(AuditLog.open(tmp_path / "audit", clock=hands, signer=away)) as record:
        keeper = Checkpointer(record, monotonic=hands.seconds)

        keeper.step()

        assert keeper.fault == "SignerUnavailable"
        assert "checkpoint.failed" in caplog.text
        record._signer = AuditLog.open(tmp_path / "audit")._signer
        keeper.step()
        assert record.newest_checkpoint() is None
        hands.pass_by(seconds=5)
        keeper.step()
        assert keeper.fault == ""
        assert size_of(record.newest_checkpoint()) == 1


def test_the_end_is_signed(record: AuditLog, asked: Ask) -> None:
    stop = threading.Event()
    keeper = Checkpointer(record)
    keeper.step()
    record.append(asked())
    stop.set()

    keeper.run_until(stop)

    assert record.unsigned() == 0


class TestQuestionsWait:
    """The record can be written, yet must not be relied on."""

    def test_when_nothing_was_signed_for_too_long(
        self, tmp_path: Path, hands: Hands, asked: Ask
    ) -> None:
        bound = timedelta(minutes=5)
        with closing(
            AuditLog.open(tmp_path / "audit", clock=hands, longest_unsigned=bound)
        ) as record:
            record.append(asked())
            hands.pass_by(minutes=5)
            record.require_ready()
            hands.pass_by(seconds=1)

            with pytest.raises(SignerUnavailable, match=r"since entry 0 .*Start the signer"):
                record.require_ready()

            assert len(record.entries()) == 1
            record.checkpoint()
            record.require_ready()

    def test_when_no_witness_answered_for_too_long(
        self, tmp_path: Path, hands: Hands, asked: Ask
    ) -> None:
        key = KeyWitness(tmp_path / "witness", logs=[], clock=hands).vkey()
        with closing(
            AuditLog.open(
                tmp_path / "audit",
                clock=hands,
                witnesses=[HttpWitness("http://127.0.0.1:9", key)],
                longest_unwitnessed=timedelta(minutes=10),
            )
        ) as record:
            record.append(asked())
            record.checkpoint()
            record.require_ready()
            hands.pass_by(minutes=11)

            with pytest.raises(WitnessUnavailable, match="No witness has cosigned"):
                record.require_ready()

    def test_when_the_clock_went_back(self, record: AuditLog, hands: Hands, asked: Ask) -> None:
        record.append(asked())
        hands.pass_by(hours=-1)

        with pytest.raises(Exception, match="clock of this machine is behind the record"):
            record.require_ready()

        record.append(asked())
        step = record.entries(type="clock.step")[0]
        assert step.outcome == "noticed"
        assert step.envelope["seconds"] == 3600
        hands.pass_by(hours=1)
        record.require_ready()

    def test_until_somebody_vouches_for_a_clock_that_went_back(
        self, record: AuditLog, hands: Hands, asked: Ask
    ) -> None:
        hands.pass_by(days=400)
        record.append(asked())
        hands.pass_by(days=-400)

        record.accept_clock("Ada")

        record.require_ready()
        noticed, accepted = record.entries(type="clock.step")
        assert (noticed.outcome, accepted.outcome) == ("noticed", "accepted")
        assert "Ada accepted" in accepted.summary
        hands.pass_by(hours=-1)
        with pytest.raises(Exception, match="clock of this machine"):
            record.require_ready()

    def test_not_when_the_clocks_of_two_machines_differ_a_little(
        self, record: AuditLog, hands: Hands, asked: Ask
    ) -> None:
        record.append(asked())
        hands.pass_by(seconds=-1)

        record.append(asked())
        record.require_ready()

        assert record.count(type="clock.step") == 0


class TestHandedOut:
    @pytest.fixture
    def note(self, record: AuditLog, fill: Fill) -> str:
        fill(record, 5)
        return record.checkpoint()

    def test_to_a_folder_a_file_each(self, note: str, tmp_path: Path) -> None:
        folder = tmp_path / "worm"
        folder.mkdir()
        outlet = FolderOutlet(folder)

        for each in (note, note, note + "— x AAAAAAAA\n"):
            outlet.hand_out(each)

        names = sorted(path.name for path in folder.iterdir())
        assert names == ["checkpoint-000000000005", "checkpoint-000000000005-2"]
        assert (folder / names[0]).read_text() == note

    def test_to_the_machines_syslog(self, note: str, tmp_path: Path, hands: Hands) -> None:
        path = tmp_path / "log"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(path))

            SyslogOutlet(str(path), host="h1", clock=hands).hand_out(note)

            message = listener.recv(65_536).decode()
        assert message.startswith("<133>1 2026-11-22T09:00:00.000000Z h1 muniment - checkpoint - ")
        assert message.split(" - ")[2].replace("|", "\n") + "\n" == note

    def test_to_another_machines_syslog(self, note: str, hands: Hands) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"

            SyslogOutlet(address, host="h1", clock=hands).hand_out(note)

            with listener.accept()[0] as connection, connection.makefile("rb") as received:
                length, _, message = received.read().partition(b" ")
        assert int(length) == len(message)

    def test_to_a_mail_queue_once_a_day(self, note: str, tmp_path: Path, hands: Hands) -> None:
        outlet = MailOutlet(tmp_path / "mail", to="auditor@example.org", clock=hands)

        for _ in range(3):
            outlet.hand_out(note)
            hands.pass_by(hours=10)

        first, _ = sorted((tmp_path / "mail" / "new").iterdir())
        message = message_from_bytes(first.read_bytes())
        assert message["To"] == "auditor@example.org"
        assert message["Subject"] == "Muniment checkpoint 2026-11-22: 5 entries"
        assert "muniment/" in str(message.get_payload(decode=True))

    def test_what_was_handed_out_can_be_checked(
        self, keeper: Checkpointer, record: AuditLog, tmp_path: Path, fill: Fill
    ) -> None:
        folder = tmp_path / "out"
        folder.mkdir()
        keeper.outlets = [FolderOutlet(folder)]
        fill(record, 5)

        keeper.step()

        (path,) = folder.iterdir()
        check_note(parse_note(path.read_text()), parse_vkey(record.log_vkey))

    def test_a_place_that_is_away_is_tried_again(
        self, keeper: Checkpointer, record: AuditLog, hands: Hands, tmp_path: Path
    ) -> None:
        folder = tmp_path / "away"
        keeper.outlets = [FolderOutlet(folder)]

        keeper.step()
        assert keeper.fault == "FileNotFoundError"
        folder.mkdir()
        hands.pass_by(seconds=5)
        keeper.step()

        assert keeper.fault == ""
        assert len(list(folder.iterdir())) == 1
