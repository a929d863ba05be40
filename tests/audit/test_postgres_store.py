"""What PostgreSQL itself refuses; what every store must do stands in the stores' contract."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from audit.errors import AuditUnavailable
from audit.events import QuestionAsked
from audit.log import AuditLog
from audit.postgres_store import PostgresStore, schema_for
from audit.store import Batch, EntryRow, Filter, KeyRow, PayloadRow, Removal, Writing
from tests.audit.postgres_server import Server, postgres_server

pytest.importorskip("psycopg")

OWNER, ROLE = "record_owner", "muniment_app"
KEY = KeyRow("k:1", "a:1", "2026-11", b"wrapped")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with postgres_server() as running:
        running.run(f"CREATE ROLE {OWNER} LOGIN; CREATE ROLE {ROLE} LOGIN;")
        yield running


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> str:
    name = "t" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    server.run(f"DROP DATABASE IF EXISTS {name}")
    server.run(f"CREATE DATABASE {name} OWNER {OWNER}")
    server.run(schema_for(ROLE), role=OWNER, database=name)
    return name


@pytest.fixture
def store(server: Server, database: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(server.url(ROLE, database), busy_seconds=2)) as opened:
        yield opened


@pytest.fixture
def log(store: PostgresStore, tmp_path: Path) -> AuditLog:
    """A log on that store; the store's fixture closes it."""
    return AuditLog.open(tmp_path, store=store)


def row(sequence: int, *, kind: str = "rag.ask", line: str = "") -> EntryRow:
    written = (line or f'{{"seq":{sequence},"outcome":"asked"}}').encode()
    leaf = hashlib.sha256(b"\x00" + written).hexdigest()
    return EntryRow(sequence, written, leaf, kind, f"2026-11-22T00:00:0{sequence}Z", pid="a:1")


def add(store: PostgresStore, *rows: EntryRow, removal: Removal | None = None) -> None:
    store.append(lambda _: Batch(entries=rows, removal=removal or Removal()))


@pytest.fixture
def filled(store: PostgresStore) -> PostgresStore:
    payload = PayloadRow(1, KEY.key_id, b"n" * 12, b"secret")
    store.append(lambda _: Batch(entries=(row(0), row(1)), payloads=(payload,), keys=(KEY,)))
    return store


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO muniment_record.audit_entry VALUES "
        "(2, 'x', repeat('a', 64), 't', 't', NULL, NULL, '', '{}')",
        "UPDATE muniment_record.audit_entry SET type = 'x'",
        "DELETE FROM muniment_record.audit_entry",
        "DELETE FROM muniment_record.audit_payload",
        "UPDATE muniment_record.audit_key SET wrapped = NULL, destroyed_at = 'x'",
        "TRUNCATE muniment_record.audit_entry CASCADE",
        "INSERT INTO muniment_record.audit_checkpoint (size, note) VALUES (1, 'x')",
        "DROP TABLE muniment_record.audit_payload",
        "ALTER TABLE muniment_record.audit_entry DISABLE TRIGGER ALL",
        "CREATE TABLE muniment_record.mine (x int)",
        "SELECT set_config('muniment.removing', 'announced', false); "
        "DELETE FROM muniment_record.audit_payload",
        "CREATE OR REPLACE FUNCTION muniment_record.audit_lock() RETURNS void "
        "LANGUAGE sql AS 'SELECT'",
    ],
)
def test_the_programs_role_can_change_nothing_by_itself(
    server: Server, database: str, filled: PostgresStore, statement: str
) -> None:
    refused = server.attempt(statement, role=ROLE, database=database)

    assert refused.returncode != 0
    assert "permission denied" in refused.stderr or "must be owner" in refused.stderr
    assert filled.head().size == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE muniment_record.audit_entry SET type = 'x'",
        "DELETE FROM muniment_record.audit_payload",
        "TRUNCATE muniment_record.audit_entry CASCADE",
        "TRUNCATE muniment_record.audit_checkpoint",
    ],
)
def test_its_owner_is_kept_from_accidents(
    server: Server, database: str, filled: PostgresStore, statement: str
) -> None:
    refused = server.attempt(statement, role=OWNER, database=database)

    assert "the record only grows" in refused.stderr


def test_another_role_sees_nothing(server: Server, database: str, filled: PostgresStore) -> None:
    server.run("DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN")

    for statement in (
        "SELECT * FROM muniment_record.audit_entry",
        "SELECT muniment_record.audit_append('{}')",
    ):
        refused = server.attempt(statement, role="stranger", database=database)
        assert "permission denied" in refused.stderr


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (row(3), "a gap"),
        (row(1), "a place that is taken"),
        (replace(row(2), leaf_hash="0" * 64), "a hash of something else"),
        (replace(row(2), line=b"something else"), "a line that the hash is not of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_function_refuses(filled: PostgresStore, wrong: EntryRow, why: str) -> None:
    with pytest.raises(AuditUnavailable, match="verify the record"):
        add(filled, wrong)

    assert filled.head().size == 2


def test_a_payload_goes_only_with_an_entry_that_says_so(filled: PostgresStore) -> None:
    removal = Removal(keys=(KEY.key_id,), payloads=(1,), at="2026-12-01T00:00:00Z")

    with pytest.raises(AuditUnavailable):
        add(filled, row(2), removal=removal)
    payload = filled.rows(Filter(first=1), limit=1)[0].payload
    assert payload is not None
    assert payload.ciphertext == b"secret"

    add(filled, row(2, kind="audit.erasure"), removal=removal)

    stored = filled.rows(Filter(first=1), limit=1)[0]
    assert stored.payload == PayloadRow(1, KEY.key_id, None, None)
    assert filled.keys("a:1") == [replace(KEY, wrapped=None, destroyed_at=removal.at)]


def test_an_envelope_goes_only_with_a_redaction_that_names_it(filled: PostgresStore) -> None:
    before = filled.rows(Filter(), limit=1)[0].entry
    names_another = row(2, kind="audit.redaction", line='{"outcome":"done","redacts":[1]}')
    names_it = row(2, kind="audit.redaction", line='{"outcome":"done","redacts":[0]}')

    for entry in (row(2, kind="audit.erasure"), names_another):
        with pytest.raises(AuditUnavailable):
            add(filled, entry, removal=Removal(lines=(0,)))
    add(filled, names_it, removal=Removal(lines=(0,)))

    after = filled.rows(Filter(), limit=1)[0].entry
    assert (after.line, after.leaf_hash, after.pid) == (None, before.leaf_hash, None)


def test_a_batch_that_fails_leaves_nothing(filled: PostgresStore) -> None:
    class Stop(Exception):
        """Raised while a batch is built."""

    def build(writing: Writing) -> Batch:
        assert writing.head.size == 2
        raise Stop

    with pytest.raises(Stop):
        filled.append(build)

    assert filled.head().size == 2


def test_a_writer_that_never_ends_makes_the_record_unavailable(
    server: Server, database: str, filled: PostgresStore
) -> None:
    with closing(PostgresStore(server.url(ROLE, database), busy_seconds=0.2)) as second:

        def hold_on(_: Writing) -> Batch:
            with pytest.raises(AuditUnavailable, match="another program"):
                add(second, row(2))
            return Batch(entries=(row(2),))

        filled.append(hold_on)

    assert filled.head().size == 3


def test_what_must_be_durable_is_not_written_without(
    server: Server, database: str, filled: PostgresStore
) -> None:
    statement = (
        "SET synchronous_commit = off; SELECT muniment_record.audit_append('{\"entries\":[]}')"
    )

    refused = server.attempt(statement, role=ROLE, database=database)

    assert "must be durable" in refused.stderr


def test_a_database_without_the_schema_says_what_to_run(server: Server) -> None:
    with pytest.raises(AuditUnavailable, match="muniment audit schema"):
        PostgresStore(server.url(ROLE, "postgres"))


@pytest.mark.parametrize(
    "address", ["postgresql+psycopg://nobody@/x?host=/nowhere", "sqlite://", "nonsense"]
)
def test_an_address_that_leads_nowhere_is_a_sentence(address: str) -> None:
    with pytest.raises(AuditUnavailable):
        PostgresStore(address, busy_seconds=1)


@pytest.mark.parametrize("role", ['a"; DROP SCHEMA x; --', "Ada", "", "a b"])
def test_only_the_plain_name_of_a_role_goes_into_the_schema(role: str) -> None:
    with pytest.raises(ValueError, match="is not a role"):
        schema_for(role)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE muniment_record.audit_entry SET type = 'rag.answer' WHERE seq = 1", "entry 1"),
        (
            "UPDATE muniment_record.audit_entry SET line = convert_to(replace("
            "convert_from(line, 'UTF8'), 'turn-1', 'turn-9'), 'UTF8') WHERE seq = 2",
            "entry 2",
        ),
        (
            "DELETE FROM muniment_record.audit_payload WHERE seq = 1; "
            "DELETE FROM muniment_record.audit_entry WHERE seq = 1",
            "entry 1",
        ),
        ("UPDATE muniment_record.audit_payload SET ciphertext = 'x' WHERE seq = 1", "entry 1"),
    ],
)
def test_what_a_superuser_alters_is_found(
    server: Server, database: str, log: AuditLog, change: str, fault: str
) -> None:
    for number in range(4):
        log.append(QuestionAsked("Ada", f"turn-{number - 1}", "c", "What is the fee?"))
    assert log.verify().intact

    server.run(f"SET session_replication_role = replica; {change};", database=database)

    verdict = log.verify()
    assert not verdict.intact
    assert fault in verdict.fault.lower()
