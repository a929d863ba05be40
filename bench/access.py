"""What rights cost: recall under filters, many groups, many lists, revocation, locked people.

    python -m bench access

Recall is that of the embedded index against brute force over the chunks that the asker may read.
Processor time is that of the whole process, so that other work on the machine does not count.
"""

import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
from argon2 import PasswordHasher
from rich.console import Console
from rich.table import Table

from audit.log import AuditLog
from corpus import tables
from corpus.access import (
    AccessEntry,
    AccessList,
    AccessListId,
    Effect,
    Principal,
    group_named,
    person_named,
)
from corpus.admission import list_for
from corpus.catalog import Catalog
from corpus.database import Database, utc_now
from corpus.documents import ChunkId, DocumentId, VersionId
from corpus.index import Point, VectorIndex, open_index
from corpus.vectors import QuestionTerms, SparseVector, Terms
from rag.directory import DirectorySync
from rag.directory_book import DirectoryBook
from rag.directory_csv import read_csv
from rag.errors import NotSignedIn
from rag.identity import Identity

CHUNKS = 100_000
DIMENSION = 384
QUESTIONS = 100
LIMIT = 10
CENTRES = 500
PARTS = {"1 %": 100, "10 %": 10}
GROUPS = (1, 50, 500, 2_000)
NESTED_DEPTH = 10
LISTS = 10_000
REPEATS = 20
PEOPLE = 1_000

Matrix = npt.NDArray[np.float32]
NO_WORDS = SparseVector((), ())


def main() -> None:
    """Measure and print."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        console.print(_recall(Path(folder), CHUNKS))
        console.print(_decisions(Path(folder)))
        console.print(_directory(Path(folder)))


def _recall(folder: Path, chunks: int) -> Table:
    """Index clustered unit vectors, search in the 1 % and 10 % under few lists, and in all.

    The other 90 % stand under nearly as many lists as there are, and all of them are asked for.
    """
    random = np.random.default_rng(6)
    vectors = _clustered(random, chunks)
    places = np.arange(chunks)
    lists = np.where(
        places % PARTS["1 %"] == 0, 1, np.where(places % PARTS["10 %"] == 0, 2, 3 + places % LISTS)
    )
    ids = [ChunkId(str(uuid.UUID(int=number))) for number in range(chunks)]
    table = Table(title=f"recall@{LIMIT} over {chunks:,} chunks, {QUESTIONS} questions")
    for heading in ("the asker may read", "recall, mean", "recall, worst", "ms p50", "ms p95",
                    "CPU ms"):  # fmt: skip
        table.add_column(heading, justify="right")
    index = open_index(
        folder=folder / "index", url="", api_key="", dimension=DIMENSION, fingerprint="bench"
    )
    with closing(index):
        for start in range(0, chunks, 1_000):
            index.upsert(_points(ids, vectors, lists, start, min(start + 1_000, chunks)))
        index.flush()
        asked = _clustered(random, QUESTIONS)
        every = sorted({int(number) for number in lists})
        for name, readable in (
            ("1 %, under 1 list", [1]),
            ("10 %, under 2", [1, 2]),
            (f"all, under {len(every):,}", every),
        ):
            permitted = np.flatnonzero(np.isin(lists, readable))
            table.add_row(
                name,
                *_measured(
                    index,
                    asked=asked,
                    vectors=vectors,
                    permitted=permitted,
                    readable=readable,
                    ids=ids,
                ),
            )
    return table


def _measured(
    index: VectorIndex,
    *,
    asked: Matrix,
    vectors: Matrix,
    permitted: npt.NDArray[np.intp],
    readable: list[int],
    ids: list[ChunkId],
) -> list[str]:
    recalls, milliseconds = [], []
    words = QuestionTerms(NO_WORDS, NO_WORDS)
    spent = 0.0
    for question in asked:
        started, cpu = time.perf_counter(), time.process_time()
        found = index.rankings(
            dense=question,
            sparse=words,
            access_lists=[AccessListId(number) for number in readable],
            limit=LIMIT,
        )
        spent += time.process_time() - cpu
        milliseconds.append((time.perf_counter() - started) * 1_000)
        best = permitted[np.argsort(-(vectors[permitted] @ question))[:LIMIT]]
        wanted = {ids[place] for place in best}
        recalls.append(len(wanted & {scored.chunk_id for scored in found.dense}) / LIMIT)
    return [
        f"{statistics.mean(recalls):.4f}",
        f"{min(recalls):.2f}",
        f"{statistics.median(milliseconds):.1f}",
        f"{np.percentile(milliseconds, 95):.1f}",
        f"{spent * 1_000 / len(asked):.1f}",
    ]


def _points(
    ids: list[ChunkId], vectors: Matrix, lists: npt.NDArray[np.int64], start: int, end: int
) -> list[Point]:
    return [
        Point(
            ids[place],
            DocumentId(f"d{place}"),
            VersionId(f"v{place}"),
            AccessListId(int(lists[place])),
            vectors[place],
            Terms(NO_WORDS, NO_WORDS),
            live=True,
        )
        for place in range(start, end)
    ]


def _clustered(random: np.random.Generator, count: int) -> Matrix:
    centres = np.random.default_rng(1).normal(size=(CENTRES, DIMENSION))
    rows = centres[random.integers(0, CENTRES, count)] + 0.7 * random.normal(
        size=(count, DIMENSION)
    )
    unit: Matrix = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _decisions(folder: Path) -> Table:
    """Time decisions in a catalog of ten thousand lists, for people in few and many groups."""
    table = Table(title=f"decisions, {LISTS:,} distinct lists, groups nested {NESTED_DEPTH} deep")
    for heading in ("what", "CPU ms, median", "worst"):
        table.add_column(heading, justify="right" if heading != "what" else "left")
    catalog = Catalog.open(f"sqlite:///{folder}/catalog.db")
    with closing(catalog):
        versions = _fill(catalog, folder)
        for count in GROUPS:
            person = Principal("ada", frozenset(f"g{number}" for number in range(count)))
            table.add_row(
                f"first decision for a person in {count:,} groups",
                *_times(lambda person=person: _first(catalog, person)),  # type: ignore[misc]
            )
            found = len(catalog.admitting_lists(person))
            table.add_row(
                f"  again, {found:,} lists admit",
                *_times(lambda person=person: catalog.readable_versions(person, versions[:50])),  # type: ignore[misc]
            )
        table.add_row("from a revocation to its effect", *_times(_revocation(catalog, versions)))
        started = time.process_time()
        changed = catalog.add_entry(
            source_id=catalog.sources()[0].source_id,
            path="",
            effect=Effect.DENY,
            principal=group_named("visitors"),
        )
        spent = (time.process_time() - started) * 1_000
        table.add_row(f"one entry on a source of {changed:,} documents", f"{spent:.0f}", "")
    return table


def _fill(catalog: Catalog, folder: Path) -> list[VersionId]:
    """Store a document for each of many distinct lists, in one transaction and without text."""
    source = catalog.add_source(name="files", location=folder, groups=frozenset())
    for depth in range(NESTED_DEPTH):
        catalog.add_member(f"nested{depth + 1}", group_named(f"nested{depth}"))
    catalog.add_member("nested0", group_named("g0"))
    database = Database(f"sqlite:///{folder}/catalog.db")
    versions = []
    with closing(database), database.writing() as connection:
        for number in range(LISTS):
            admitted = [f"g{number % 2_500}", f"nested{number % NESTED_DEPTH}"][number % 2]
            entries = {
                AccessEntry(Effect.ALLOW, group_named(admitted)),
                AccessEntry(Effect.ALLOW, person_named(f"p{number}")),
            }
            document_id, version_id = str(uuid.uuid4()), str(uuid.uuid4())
            connection.execute(
                tables.document.insert().values(
                    document_id=document_id,
                    source_id=source.source_id,
                    path=f"{number}.txt",
                    access_list_id=list_for(connection, AccessList(frozenset(entries))),
                    access_indexed=True,
                    withdrawal=tables.PRESENT,
                )
            )
            connection.execute(
                tables.version.insert().values(
                    version_id=version_id,
                    document_id=document_id,
                    number=1,
                    state=tables.LIVE,
                    original="00",
                    media_type="text/plain",
                    title=str(number),
                    path=f"{number}.txt",
                    size=0,
                    modified_ns=0,
                    page_count=0,
                    character_count=0,
                    properties="{}",
                    published_at=utc_now(),
                )
            )
            versions.append(VersionId(version_id))
    return versions


def _directory(folder: Path) -> Table:
    """Bring accounts into step with a directory of many people, and lock one of them."""
    table = Table(title=f"a directory of {PEOPLE:,} people in {PEOPLE // 10:,} groups")
    for heading in ("what", "seconds", "CPU ms"):
        table.add_column(heading, justify="right" if heading != "what" else "left")
    site = folder / "directory"
    site.mkdir()
    _write_directory(site, locked="")
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    with (
        closing(Identity.open(f"sqlite:///{site}/service.db", hasher=hasher)) as identity,
        closing(Catalog.open(f"sqlite:///{site}/catalog.db")) as catalog,
        closing(AuditLog.open(site / "audit")) as record,
    ):
        sync = DirectorySync(identity, DirectoryBook(identity.store), catalog, record)

        def step() -> None:
            sync.apply("csv", read_csv(site), actor="bench")

        table.add_row("the first round, which makes the accounts", *_once(step))
        table.add_row("a round in which nothing changed", *_once(step))
        token = identity.open_session_for("p7")
        _write_directory(site, locked="p7")
        table.add_row("a round that locks one person, to the first refusal", *_once(step))
        try:
            identity.principal_of(token)
        except NotSignedIn:
            return table
    sys.exit("A locked person was not refused.")


def _write_directory(folder: Path, *, locked: str) -> None:
    people = [f"p{number}" for number in range(PEOPLE)]
    rows = ["name,active", *(f"{name},{'no' if name == locked else 'yes'}" for name in people)]
    (folder / "people.csv").write_text("\n".join(rows))
    groups = [f"g{number}" for number in range(PEOPLE // 10)]
    (folder / "groups.csv").write_text("\n".join(["name", *groups]))
    members = [f"{groups[place % len(groups)]},{name}" for place, name in enumerate(people)]
    (folder / "members.csv").write_text("\n".join(["group,member", *members]))


def _once(run: Callable[[], None]) -> tuple[str, str]:
    started, cpu = time.perf_counter(), time.process_time()
    run()
    spent = (time.process_time() - cpu) * 1_000
    return f"{time.perf_counter() - started:.2f}", f"{spent:.0f}"


def _first(catalog: Catalog, person: Principal) -> None:
    catalog.add_member("nobody", group_named(str(uuid.uuid4())))  # moves the epoch
    catalog.admitting_lists(person)


def _revocation(catalog: Catalog, versions: list[VersionId]) -> Callable[[], None]:
    bob = Principal("bob")

    def run() -> None:
        catalog.add_member("g2", person_named("bob"))
        before = catalog.gate().may_read(bob, versions[2])
        catalog.remove_member("g2", person_named("bob"))
        if not before or catalog.gate().may_read(bob, versions[2]):
            sys.exit("A revocation had no effect.")

    return run


def _times(run: Callable[[], object]) -> tuple[str, str]:
    milliseconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        run()
        milliseconds.append((time.process_time() - started) * 1_000)
    return f"{statistics.median(milliseconds):.1f}", f"{max(milliseconds):.1f}"
