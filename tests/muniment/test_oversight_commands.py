"""Replay, erasure, redaction, disposal and a person's own data, as an operator asks for them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner, Result

from audit.events import AnswerGiven, CitationGiven, PassageRead, PassagesRead, QuestionAsked
from audit.log import AuditLog
from corpus.catalog import Catalog
from corpus.holds import Holds, HoldScope
from muniment.__main__ import cli
from muniment.keeping import held_by
from rag.contract import Answer, Outcome
from rag.conversations import Conversations
from rag.identity import Identity
from tests.audit.postgres_server import postgres_server

ADA, GRACE, PASSWORD = "Ada.Lovelace", "Grace.Hopper", "a long enough password"
WORDS = "What does the larkspur cost?"
Run = Callable[..., Result]


class LongAgo:
    """A clock that stands two years back."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC) - timedelta(days=730)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with two people, of whom one asked something long ago."""
    with closing(AuditLog.open(tmp_path / "audit", clock=LongAgo())) as record:
        put_question_on_record(record, ADA)
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    service = f"sqlite:///{tmp_path / 'service.db'}"
    with closing(Identity.open(service, hasher=hasher)) as identity:
        identity.add_account(ADA, PASSWORD)
        identity.add_account(GRACE, PASSWORD, roles={"auditor"})
    with closing(Conversations.open(service)) as conversations:
        turn = conversations.start_turn(ADA, WORDS)
        conversations.finish(
            turn.turn_id,
            Answer(outcome=Outcome.REFUSED, sentences=[], citations=[], passages=[]),
        )
    return tmp_path


def put_question_on_record(record: AuditLog, person: str) -> None:
    read = PassageRead("d-1", "v-1", 2, "c-1", "ab" * 32, 0.5, 1, "cd" * 32)
    cited = CitationGiven(1, "d-1", "v-1", 0, 3, "ten pounds")
    record.append_all(
        [
            QuestionAsked(person, "turn-1", "conversation-1", WORDS),
            PassagesRead(person, "turn-1", (read,)),
            AnswerGiven(
                person,
                "turn-1",
                "answered",
                "It costs ten pounds.",
                (cited,),
                "SmolLM2",
                0,
                5.0,
                prompt="Answer from the passages.",
            ),
        ]
    )


@pytest.fixture
def run(folder: Path) -> Run:
    def invoke(*words: str, typed: str = "", **variables: str) -> Result:
        environment = {"MUNIMENT_DATA": str(folder), **variables}
        return CliRunner().invoke(cli, ["audit", *words], env=environment, input=typed)

    return invoke


def types_on_record(folder: Path) -> list[str]:
    with closing(AuditLog.open(folder / "audit")) as record:
        return [entry.type for entry in record.entries()]


def texts(folder: Path) -> str:
    with closing(AuditLog.open(folder / "audit")) as record:
        assert record.verify().intact
        return str([entry.payload for entry in record.entries()])


def hold(folder: Path, scope: HoldScope, target: str = "") -> None:
    with closing(Holds.open(f"sqlite:///{folder / 'catalog.db'}")) as holds:
        holds.place(scope, target, reason="claim", by="counsel")


def test_a_replay_tells_the_whole_story_and_is_on_record(run: Run, folder: Path) -> None:
    shown = run("replay", "2")

    assert shown.exit_code == 0
    for told in (WORDS, "It costs ten pounds.", "SmolLM2", "Answer from the passages.", "gone"):
        assert told in shown.output
    assert types_on_record(folder)[-1] == "audit.view"


def test_a_replay_can_be_read_by_a_program(run: Run) -> None:
    story = json.loads(run("replay", "0", "--json").output)

    assert story["passages"][0]["original_sha256"] == "cd" * 32
    assert story["passages"][0]["state"] == "gone"


def test_there_is_no_replay_of_what_is_no_question(run: Run) -> None:
    run("replay", "0")

    assert run("replay", "3").exit_code == 1


def test_an_erasure_needs_a_second_person_or_a_word(run: Run, folder: Path) -> None:
    refused = run("erase", ADA, "--ground", "request")

    assert refused.exit_code == 1
    assert "--approver" in refused.output
    assert WORDS in texts(folder)


def test_a_second_person_agrees_with_a_password(run: Run, folder: Path) -> None:
    erased = run(
        "erase", "ada.lovelace", "--ground", "request", "--approver", GRACE, typed=f"{PASSWORD}\n"
    )

    assert erased.exit_code == 0, erased.output
    assert "3 texts erased" in erased.output
    assert WORDS not in texts(folder)
    assert types_on_record(folder)[-2:] == ["audit.approve", "audit.erasure"]


@pytest.mark.parametrize(
    ("approver", "password"), [(GRACE, "a wrong password indeed"), (ADA, PASSWORD)]
)
def test_who_gives_a_wrong_password_or_has_no_role_cannot_agree(
    run: Run, folder: Path, approver: str, password: str
) -> None:
    refused = run(
        "erase", ADA, "--ground", "request", "--approver", approver, typed=f"{password}\n"
    )

    assert refused.exit_code == 1
    assert WORDS in texts(folder)
    assert "audit.erasure" not in types_on_record(folder)


def test_an_erasure_can_take_the_conversations_with_it(run: Run, folder: Path) -> None:
    erased = run("erase", ADA, "--ground", "request", "--confirm", "--conversations")

    assert erased.exit_code == 0, erased.output
    with closing(Conversations.open(f"sqlite:///{folder / 'service.db'}")) as conversations:
        assert conversations.summaries(ADA) == []
    assert types_on_record(folder)[-2:] == ["conversation.delete", "audit.erasure"]


@pytest.mark.parametrize("scope", [HoldScope.EVERYTHING, HoldScope.PERSON])
def test_a_hold_beats_an_erasure(run: Run, folder: Path, scope: HoldScope) -> None:
    hold(folder, scope, "ADA.LOVELACE" if scope is HoldScope.PERSON else "")

    for further in ((), ("--conversations",)):
        refused = run("erase", ADA, "--ground", "request", "--confirm", *further)
        assert refused.exit_code == 1
        assert "hold" in refused.output

    assert WORDS in texts(folder)
    with closing(Conversations.open(f"sqlite:///{folder / 'service.db'}")) as conversations:
        assert conversations.summaries(ADA)
    assert types_on_record(folder).count("hold.prevent") == 2


def test_an_envelope_is_redacted_and_the_record_holds(run: Run, folder: Path) -> None:
    redacted = run("redact", "0", "1", "--ground", "court order 7", "--confirm")

    assert redacted.exit_code == 0, redacted.output
    assert WORDS not in texts(folder)
    assert types_on_record(folder)[-1] == "audit.redaction"
    assert run("verify").exit_code == 0


def test_what_is_past_its_term_is_disposed_of(run: Run, folder: Path) -> None:
    nothing = run("dispose")
    disposed = run("dispose", MUNIMENT_RETENTION_QUESTIONS_MONTHS="12")

    assert "0 texts" in nothing.output
    assert "3 texts" in disposed.output, disposed.output
    assert WORDS not in texts(folder)


def test_a_hold_beats_a_term(run: Run, folder: Path) -> None:
    hold(folder, HoldScope.PERSON, ADA)

    run("dispose", MUNIMENT_RETENTION_QUESTIONS_MONTHS="12")

    assert WORDS in texts(folder)
    assert types_on_record(folder)[-1] == "hold.prevent"


def test_a_term_shorter_than_six_months_is_refused(run: Run) -> None:
    refused = run("dispose", MUNIMENT_RETENTION_QUESTIONS_MONTHS="5")

    assert refused.exit_code == 2
    assert "at least 6 months" in refused.output


def test_a_persons_data_is_written_out(run: Run, folder: Path) -> None:
    written = run("dsar", "ada.lovelace", "--output", str(folder / "out"))

    assert written.exit_code == 0, written.output
    assert "3 entries" in written.output
    assert json.loads((folder / "out" / "conversations.json").read_text())[0]["title"] == WORDS
    assert json.loads((folder / "out" / "account.json").read_text())[0]["name"] == ADA
    assert types_on_record(folder)[-1] == "dsar.export"


def test_the_schema_is_printed_for_a_role(run: Run) -> None:
    assert 'TO "muniment"' in run("schema", "--role", "muniment").output
    assert run("schema", "--role", 'x"; DROP').exit_code == 2


def test_a_hold_on_a_document_keeps_what_was_read_from_it(folder: Path) -> None:
    address = f"sqlite:///{folder / 'catalog.db'}"
    with closing(Catalog.open(address)) as catalog, closing(AuditLog.open(folder / "audit")) as log:
        keeps = held_by(catalog.holds(), log)
        assert keeps("", ("d-1",)) == ""
        catalog.holds().place(HoldScope.EVERYTHING, "", reason="claim", by="counsel")
        assert keeps("", ("d-1",))


@pytest.fixture
def database() -> Iterator[str]:
    pytest.importorskip("psycopg")
    with postgres_server() as server:
        server.run("CREATE ROLE record_owner LOGIN; CREATE ROLE muniment LOGIN;")
        server.run("CREATE DATABASE record OWNER record_owner")
        printed = CliRunner().invoke(cli, ["audit", "schema", "--role", "muniment"]).output
        server.run(printed, role="record_owner", database="record")
        yield server.url("muniment", "record")


def test_the_record_may_live_in_postgresql(tmp_path: Path, database: str) -> None:
    environment = {"MUNIMENT_DATA": str(tmp_path), "MUNIMENT_RECORD_DATABASE_URL": database}

    def muniment(*words: str) -> str:
        done = CliRunner().invoke(cli, words, env=environment)
        assert done.exit_code == 0, done.output
        return done.output

    muniment("user", "add", "ada", "--password", PASSWORD)
    muniment("audit", "erase", "ada", "--ground", "request", "--confirm")
    muniment("audit", "export", "--format", "bundle", "--output", str(tmp_path / "bundle"))

    assert "Intact: all 3 entries hold" in muniment("audit", "verify")
    assert "erased 1 payload" in muniment("audit", "show", "--type", "audit.erasure")
    assert not (tmp_path / "audit" / "audit.db").exists()
    keys = (tmp_path / "bundle" / "keys.txt").read_text().splitlines()
    checked = subprocess.run(
        [
            sys.executable,
            str(tmp_path / "bundle" / "verify.py"),
            keys[0],
            "-",
            str(tmp_path / "bundle"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
