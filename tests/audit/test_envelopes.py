"""What an envelope says, and what it must never say."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event as engine_events

from audit.circumstances import Circumstances, Program, current, within
from audit.events import (
    VOCABULARY,
    AnswerGiven,
    Event,
    PassageRead,
    PassagesRead,
    SystemStopped,
    UserChanged,
)
from audit.log import AuditLog
from audit.sqlite_store import SqliteStore

Ask = Callable[..., Event]

DESIGNED = (
    "auth.login auth.fail auth.logout auth.lockout auth.mfa session.revoke rag.retrieve rag.answer "
    "rag.refuse rag.feedback access.denied doc.ingest doc.update doc.reindex doc.delete "
    "doc.quarantine doc.view doc.download acl.change group.sync admin.config admin.model.change "
    "admin.prompt.change admin.key.rotate admin.user.change admin.role.change conversation.view "
    "export.audit export.data dsar.export audit.redaction audit.erasure audit.checkpoint "
    "audit.heartbeat audit.gap audit.verify system.start system.stop clock.step"
).split()

KNOWN = {
    "authn": "oidc",
    "issuer": "https://login.example.org",
    "session": "token-of-the-session",
    "on_behalf_of": "Grace Hopper",
    "address": "192.0.2.17",
    "user_agent": "Browser 1.0 (of Ada)",
    "tenant": "t1",
    "matter": "m-2041",
    "request_id": "r:7",
    "parent": "01JD",
}


@pytest.fixture
def program_log(tmp_path: Path) -> Iterator[AuditLog]:
    program = Program("rag", "host-of-ada.example.org", "0.1.0", "abc123", "ef" * 32)
    with closing(AuditLog.open(tmp_path / "audit", program=program)) as made:
        yield made


def test_every_type_that_was_designed_is_in_the_vocabulary() -> None:
    assert set(DESIGNED) <= {kind.type for kind in VOCABULARY}


def test_the_circumstances_of_a_request_stand_in_its_envelopes(
    program_log: AuditLog, asked: Ask
) -> None:
    with within(**KNOWN):
        envelope = program_log.append(asked()).envelope

    actor, source = envelope["actor"], envelope["src"]
    assert isinstance(actor, dict)
    assert isinstance(source, dict)
    assert actor["authn"] == "oidc"
    assert actor["on_behalf_of"] == program_log.pseudonym_of("Grace Hopper")
    assert re.fullmatch(r"s:[0-9a-f]{32}", str(actor["sess"]))
    assert re.fullmatch(r"i:[0-9a-f]{32}", str(actor["iss_h"]))
    assert source["app"] == "rag"
    assert re.fullmatch(r"ip:[0-9a-f]{32}", str(source["ip_h"]))
    assert re.fullmatch(r"h:[0-9a-f]{32}", str(source["host"]))
    assert [envelope[name] for name in ("tenant", "matter", "request_id", "parent")] == [
        "t1",
        "m-2041",
        "r:7",
        "01JD",
    ]
    assert envelope["sw"] == {"version": "0.1.0", "commit": "abc123", "sbom_sha256": "ef" * 32}


def test_names_addresses_and_tokens_stand_in_no_envelope(program_log: AuditLog, asked: Ask) -> None:
    with within(**KNOWN):
        program_log.append(asked(person="Ada Lovelace"))

    (line,) = program_log.lines()
    for secret in ("192.0.2", "Browser", "token-of", "login.example", "Grace", "Ada", "host-of"):
        assert secret not in line.decode()


def test_address_and_program_of_a_person_stand_in_the_payload(
    program_log: AuditLog, asked: Ask
) -> None:
    with within(**KNOWN):
        entry = program_log.append(asked())
        nobody = program_log.append(SystemStopped())

    assert entry.payload is not None
    assert entry.payload["ip"] == "192.0.2.17"
    assert entry.payload["user_agent"] == "Browser 1.0 (of Ada)"
    assert nobody.payload is None


def test_what_is_not_known_is_left_out(log: AuditLog, asked: Ask) -> None:
    envelope = log.append(asked()).envelope

    for name in ("src", "tenant", "matter", "request_id", "parent", "sw"):
        assert name not in envelope
    assert list(envelope["actor"]) == ["pid"]  # type: ignore[arg-type]


def test_circumstances_end_with_their_block() -> None:
    with within(tenant="t1"), within(matter="m-1"):
        assert current() == Circumstances(tenant="t1", matter="m-1")

    assert current() == Circumstances()


def test_an_id_is_a_ulid_and_time_runs_on(log: AuditLog, asked: Ask) -> None:
    first, second = log.append(asked()).envelope, log.append(asked()).envelope

    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", str(first["id"]))
    assert str(first["id"]) < str(second["id"])
    assert isinstance(first["mono"], int)
    assert isinstance(second["mono"], int)
    assert first["mono"] <= second["mono"]


def test_a_passage_is_named_as_the_design_names_it(log: AuditLog) -> None:
    passage = PassageRead("d:91", "v-3", 3, "c:91.3.17", "ab" * 32, 0.71, 1, "cd" * 32)

    envelope = log.append(PassagesRead("Ada", "t", (passage,), candidates_denied=4)).envelope

    assert envelope["retrieval"] == [
        {
            "doc": "d:91",
            "version": "v-3",
            "ver": 3,
            "doc_sha256": "cd" * 32,
            "chunk": "c:91.3.17",
            "chunk_sha256": "ab" * 32,
            "score": 0.71,
            "rank": 1,
        }
    ]
    assert envelope["candidates_denied"] == 4


def test_a_model_stands_in_a_block_and_only_where_there_was_one(log: AuditLog) -> None:
    given = AnswerGiven(
        "Ada", "t", "answered", "Six years.", (), "a model", 0, 1840, temperature=0.0, seed=7
    )
    quoted = AnswerGiven("Ada", "t", "answered", "Six years.", (), "", 0, 12)

    envelope, without = log.append(given).envelope, log.append(quoted).envelope

    assert envelope["model"] == {"name": "a_model", "params": {"temperature": 0, "seed": 7}}
    assert envelope["latency_ms"] == 1840
    assert "model" not in without


def test_a_payload_about_somebody_is_under_that_persons_key(log: AuditLog) -> None:
    entry = log.append(UserChanged(actor="Admin", name="Ada", change="added"))

    key = str(entry.envelope["payload_key"])
    assert key.startswith(f"k:{log.pseudonym_of('Ada')}:2026-11")
    assert [each.key_id for each in log.keys_of("Ada")] == [key]
    assert log.keys_of("Admin") == []


def test_a_line_is_the_canonical_form_of_its_envelope(log: AuditLog, asked: Ask) -> None:
    entry = log.append(asked())

    (line,) = log.lines()

    assert json.loads(line) == entry.envelope
    assert list(json.loads(line)) == sorted(entry.envelope)


def test_threads_that_wait_together_share_a_flush(tmp_path: Path, asked: Ask) -> None:
    with closing(AuditLog.open(tmp_path / "audit")) as log:
        log.append(asked())
        commits: list[int] = []
        assert isinstance(log.store, SqliteStore)
        engine_events.listen(log.store.engine, "commit", lambda _: commits.append(1))
        start = threading.Barrier(32)

        def write() -> None:
            start.wait()
            for number in range(10):
                log.append(asked(number))

        threads = [threading.Thread(target=write) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert log.count() == 321
        assert log.verify().intact
        assert len(commits) < 160
