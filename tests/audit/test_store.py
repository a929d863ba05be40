"""What every store must do, tried on SQLite and on PostgreSQL."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from audit.circumstances import within
from audit.errors import AuditUnavailable
from audit.events import (
    EntryRedacted,
    Event,
    KeyDestroyed,
    PassageRead,
    PassagesRead,
    SubjectErased,
)
from audit.log import AuditLog
from audit.merkle import check_consistency, check_inclusion
from audit.notes import parse_checkpoint
from audit.postgres_store import PostgresStore, schema_for
from audit.sqlite_store import SqliteStore
from audit.store import (
    Batch,
    EntryRow,
    Filter,
    Head,
    KeyRow,
    PayloadRow,
    Removal,
    Store,
    TileRow,
    Writing,
)
from tests.audit.postgres_server import Server, postgres_server

Ask = Callable[..., Event]

ROLE = "muniment_app"
_numbers = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg")
    with postgres_server() as running:
        running.run(f"CREATE ROLE record_owner LOGIN; CREATE ROLE {ROLE} LOGIN;")
        yield running


def on_sqlite(tmp_path: Path, _request: pytest.FixtureRequest) -> Store:
    path = tmp_path / "contract.db"
    path.touch()
    made = SqliteStore(path, busy_seconds=2)
    made.make_tables()
    return made


def on_postgres(_tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    server: Server = request.getfixturevalue("server")
    name = f"contract{next(_numbers)}"
    server.run(f"CREATE DATABASE {name} OWNER record_owner")
    server.run(schema_for(ROLE), role="record_owner", database=name)
    return PostgresStore(server.url(ROLE, name), busy_seconds=2)


@pytest.fixture(params=[on_sqlite, on_postgres], ids=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with closing(request.param(tmp_path, request)) as made:
        yield made


@pytest.fixture
def record(store: Store, tmp_path: Path) -> AuditLog:
    """A log on that store; the store's fixture closes it."""
    return AuditLog.open(tmp_path / "record", store=store)


KEY = KeyRow("k:1", "a:1", "2026-11", b"wrapped")


def row(sequence: int, *, kind: str = "rag.ask", **more: object) -> EntryRow:
    line = f'{{"seq":{sequence},"outcome":"asked"}}'.encode()
    leaf = hashlib.sha256(b"\x00" + line).hexdigest()
    made = EntryRow(sequence, line, leaf, kind, f"2026-11-22T00:00:0{sequence}.000000Z", pid="a:1")
    return replace(made, **more)  # type: ignore[arg-type]


def add(store: Store, *rows: EntryRow, removal: Removal | None = None, **parts: object) -> None:
    batch = Batch(entries=rows, removal=removal or Removal())
    store.append(lambda _: replace(batch, **parts))  # type: ignore[arg-type]


def test_an_empty_record_has_no_head(store: Store) -> None:
    assert store.head() == Head()
    assert store.rows(Filter(), limit=10) == []
    assert store.latest_moment() == ""
    assert store.checkpoint() is None


def test_what_was_added_is_read_back_in_order(store: Store) -> None:
    add(store, row(0), row(1, matter="m-1"))
    add(store, row(2))

    forwards = store.rows(Filter(), limit=10)
    backwards = store.rows(Filter(), limit=2, newest_first=True)

    assert [each.entry for each in forwards] == [row(0), row(1, matter="m-1"), row(2)]
    assert [each.entry.sequence for each in backwards] == [2, 1]
    assert store.head() == Head(3, row(2).leaf_hash, row(2).at)
    assert list(store.leaf_hashes(1, 2)) == [row(1).leaf_hash, row(2).leaf_hash]


def test_a_batch_is_built_from_the_end_of_the_record(store: Store) -> None:
    add(store, row(0))
    seen: list[Head] = []

    def look(writing: Writing) -> Batch:
        seen.append(writing.head)
        return Batch(entries=(row(1),))

    store.append(look)

    assert seen == [Head(1, row(0).leaf_hash, row(0).at)]


def test_a_batch_that_cannot_be_built_leaves_nothing(store: Store) -> None:
    def fail(_writing: object) -> Batch:
        raise KeyError("no")

    with pytest.raises(KeyError):
        store.append(fail)

    assert store.head() == Head()


def test_a_place_cannot_be_taken_twice_or_left_out(store: Store) -> None:
    add(store, row(0))

    for wrong in (row(0), row(2)):
        with pytest.raises(AuditUnavailable):
            add(store, wrong)

    assert store.head().size == 1


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(type="doc"), [1]),
        (Filter(type="doc.view"), [1]),
        (Filter(type="do"), []),
        (Filter(pid="a:2"), [2]),
        (Filter(matter="m-1"), [2]),
        (Filter(document="d-1"), [1, 2]),
        (Filter(since=row(1).at), [1, 2]),
        (Filter(until=row(1).at), [0]),
        (Filter(first=1, last=1), [1]),
        (Filter(outcome="asked"), [0, 1, 2]),
        (Filter(outcome="refused"), []),
        (Filter(document="d-1", pid="a:2"), [2]),
    ],
    ids=str,
)
def test_entries_are_found_by_what_they_say(store: Store, wanted: Filter, found: list[int]) -> None:
    add(
        store,
        row(0),
        row(1, kind="doc.view", documents=("d-1",)),
        row(2, pid="a:2", matter="m-1", documents=("d-1", "d-2")),
    )

    assert [each.entry.sequence for each in store.rows(wanted, limit=10)] == found
    assert store.count(wanted) == len(found)


def test_a_payload_comes_with_what_opens_it(store: Store) -> None:
    payload = PayloadRow(0, KEY.key_id, b"n" * 12, b"secret")
    add(store, row(0), row(1), payloads=(payload,), keys=(KEY,))

    with_one, without = store.rows(Filter(), limit=2)

    assert (with_one.payload, with_one.wrapped_key) == (payload, b"wrapped")
    assert (without.payload, without.wrapped_key) == (None, None)


def test_the_live_key_of_a_subject_is_the_newest_that_was_not_destroyed(store: Store) -> None:
    later = KeyRow("k:2", "a:1", "2026-11", b"wrapped too")
    add(store, row(0), keys=(KEY,))
    gone = Removal(keys=("k:1",), at="2026-11-23T00:00:00.000000Z")
    add(store, row(1, kind="audit.erasure"), removal=gone)
    add(store, row(2), keys=(later,))
    seen: list[object] = []

    def look(writing: Writing) -> Batch:
        seen.extend(
            [
                writing.live_key("a:1", "2026-11"),
                writing.live_key("a:1", "2026-12"),
                writing.key_count("a:1", "2026-11"),
                writing.leaf_hash(1),
                writing.leaf_hash(9),
            ]
        )
        return Batch(entries=(row(3),))

    store.append(look)

    assert seen == [later, None, 2, row(1, kind="audit.erasure").leaf_hash, None]
    destroyed = replace(KEY, wrapped=None, destroyed_at=gone.at)
    assert store.keys("a:1") == [destroyed, later]


def test_an_announced_removal_takes_key_text_and_line(store: Store) -> None:
    payloads = tuple(PayloadRow(number, KEY.key_id, b"n" * 12, b"secret") for number in (0, 1))
    add(store, row(0, documents=("d-1",)), row(1), payloads=payloads, keys=(KEY,))

    removal = Removal(payloads=(1,), lines=(0,), at="2026-11-23T00:00:00.000000Z")
    announced = b'{"outcome":"redacted","redacts":[0,1],"seq":2}'
    leaf = hashlib.sha256(b"\x00" + announced).hexdigest()
    add(
        store,
        row(2, kind="audit.redaction", line=announced, leaf_hash=leaf),
        removal=removal,
    )

    redacted, erased, _ = store.rows(Filter(), limit=5)
    assert (redacted.entry.line, redacted.entry.pid) == (None, None)
    assert redacted.entry.leaf_hash == row(0).leaf_hash
    assert store.count(Filter(document="d-1")) == 0
    assert erased.payload == PayloadRow(1, KEY.key_id, None, None)


def test_a_removal_that_is_not_announced_is_refused(store: Store) -> None:
    add(store, row(0), payloads=(PayloadRow(0, KEY.key_id, b"n", b"c"),), keys=(KEY,))

    for removal in (Removal(keys=("k:1",)), Removal(payloads=(0,)), Removal(lines=(0,))):
        with pytest.raises(AuditUnavailable):
            add(store, row(1), removal=replace(removal, at="now"))

    (kept,) = store.rows(Filter(), limit=5)
    assert kept.entry.line == row(0).line
    assert kept.wrapped_key == b"wrapped"


def test_tiles_are_kept_with_their_roots(store: Store) -> None:
    tiles = tuple(TileRow(0, index, bytes(8192), bytes([index]) * 32) for index in range(3))
    add(store, row(0), tiles=tiles)

    assert store.tile(0, 1) == tiles[1]
    assert store.tile(1, 0) is None
    assert store.tile_roots(0, 1, 5) == [tile.root for tile in tiles[1:]]


def test_of_checkpoints_the_newest_counts(store: Store) -> None:
    for size, note in ((2, "two"), (5, "five"), (5, "five, cosigned")):
        store.add_checkpoint(size, note)

    assert store.checkpoint() == "five, cosigned"
    assert store.checkpoint(at_most=4) == "two"
    assert store.checkpoint(at_most=1) is None
    assert list(store.checkpoints(limit=2)) == [(5, "five, cosigned"), (5, "five")]


def test_the_latest_moment_is_not_that_of_the_last_entry(store: Store) -> None:
    add(store, row(0, at="2027-01-01T00:00:00.000000Z"), row(1))

    assert store.latest_moment().startswith("2027")
    assert store.latest_moment(after=0) == row(1).at


def test_writing_can_be_tried(store: Store) -> None:
    store.test_write()
    store.test_write()

    assert store.head() == Head()


class TestLog:
    """The log is the same on either."""

    def test_entries_payloads_proofs_and_checkpoints(self, record: AuditLog, asked: Ask) -> None:
        for start in range(0, 300, 50):
            record.append_all([asked(number) for number in range(start, start + 50)])

        checkpoint = parse_checkpoint(record.checkpoint())

        assert checkpoint.size == record.count() == 300
        lines = list(record.lines())
        for sequence in (0, 255, 256, 299):
            leaf = hashlib.sha256(b"\x00" + lines[sequence]).digest()
            path = record.inclusion_proof(sequence, 300)
            check_inclusion(leaf, index=sequence, size=300, path=path, root=checkpoint.root)
        check_consistency(
            old=123,
            old_root=record.root(123),
            new=300,
            new_root=checkpoint.root,
            path=record.consistency_proof(123, 300),
        )
        disclosed = record.payload(7)
        assert disclosed is not None
        assert "case 7?" in disclosed.body

    def test_a_payload_keeps_the_envelopes_promise(self, record: AuditLog, asked: Ask) -> None:
        entry = record.append(asked(3))

        disclosed = record.payload(0)

        assert disclosed is not None
        digest = hashlib.sha256(disclosed.salt + disclosed.body.encode()).hexdigest()
        assert entry.envelope["payload_commitment"] == digest
        assert len(disclosed.salt) == 32

    def test_an_erased_subject_cannot_be_read_and_the_chain_holds(
        self, record: AuditLog, asked: Ask
    ) -> None:
        record.append_all([asked(0, person="Ada"), asked(1, person="Grace")])
        keys = tuple(key.key_id for key in record.keys_of("Ada"))

        record.append_and_remove(
            SubjectErased("Privacy", "Ada", "asked", None, 1, tuple(map(KeyDestroyed, keys))),
            Removal(keys=keys),
        )
        again = record.append(asked(2, person="Ada"))

        assert record.payload(0) is None
        assert record.payload(1) is not None
        assert record.entries()[0].payload is None
        assert again.envelope["payload_key"] == f"{keys[0]}:2"
        assert len(list(record.lines())) == 4

    def test_a_redacted_line_is_its_hash(self, record: AuditLog, asked: Ask) -> None:
        first = record.append(asked(0))

        record.append_and_remove(
            EntryRedacted("Privacy", (0,), "wrong matter", None), Removal(lines=(0,), payloads=(0,))
        )

        line, _ = record.lines()
        assert line == f"#{first.leaf_hash}".encode()
        assert record.entries()[0].summary == "This entry (rag.ask) was redacted."
        assert record.entries()[0].outcome == "redacted"

    def test_it_is_found_by_document_and_matter(self, record: AuditLog, asked: Ask) -> None:
        passage = PassageRead("d-9", "v-1", 1, "c-1", "ab", 0.5, 1)
        with within(matter="m-2041"):
            record.append(PassagesRead("Ada", "t", (passage,)))
        record.append(asked())

        assert record.count(document="d-9") == record.count(matter="m-2041") == 1
        assert record.count(document="d-8") == 0

    def test_two_logs_on_one_store_take_turns(
        self, record: AuditLog, store: Store, tmp_path: Path, asked: Ask
    ) -> None:
        other = AuditLog.open(tmp_path / "record", store=store)

        for number in range(6):
            (record, other)[number % 2].append(asked(number))

        checkpoint = parse_checkpoint(other.checkpoint())
        assert checkpoint == parse_checkpoint(record.checkpoint())
        assert [entry.sequence for entry in record.entries()] == list(range(6))
