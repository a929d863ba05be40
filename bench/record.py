"""What the record costs: events a second, milliseconds of a question, verification, growth.

    python -m bench record

Every append is durable (synchronous=FULL) when it returns. Processor time is that of the whole
process, so that other work on the machine does not count; wall time is given beside it.
"""

import hashlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from audit.events import AnswerGiven, CitationGiven, Event, PassageRead, PassagesRead, QuestionAsked
from audit.keys import PayloadKeys
from audit.log import AuditLog
from audit.merkle import hash_leaf
from audit.sqlite_store import SqliteStore
from audit.store import Batch, EntryRow, PayloadRow, Writing
from audit.tree import GrowingTree

EVENTS_PER_ROUND = 3_000
ROUNDS = 3
THREADS = (1, 8, 64)
QUESTIONS = 400
VERIFIED_ENTRIES = 1_000_000
BATCH = 8_192
MEBIBYTE = 1024 * 1024

QUESTION = "How long are the files of a closed client matter kept, and who may extend that?"
PASSAGE_WORDS = "The file of a closed matter is kept for six years from the date of closing. " * 16
ANSWER = "Files of a closed matter are kept for six years. The records officer may extend that."


def events_of_question(number: int) -> Sequence[Event]:
    """What one question puts on record, of the size that the sample documents give."""
    turn = hashlib.sha256(f"turn {number}".encode()).hexdigest()[:32]
    passages = tuple(
        PassageRead(
            document_id=hashlib.sha256(f"d{rank}".encode()).hexdigest()[:32],
            version_id=hashlib.sha256(f"v{rank}".encode()).hexdigest()[:32],
            version_number=1,
            chunk_id=hashlib.sha256(f"c{rank}{number}".encode()).hexdigest()[:32],
            chunk_sha256=hashlib.sha256(f"t{rank}".encode()).hexdigest(),
            score=0.731 - rank / 50,
            rank=rank,
        )
        for rank in range(1, 7)
    )
    citations = tuple(
        CitationGiven(each, passages[each].document_id, passages[each].version_id, 120, 260, ANSWER)
        for each in (1, 2)
    )
    person = f"Person {number % 50}"
    return (
        QuestionAsked(person, turn, turn, f"{QUESTION} ({number})"),
        PassagesRead(person, turn, passages, candidates_denied=0, embedding_sha256="ab" * 32),
        AnswerGiven(
            person,
            turn,
            "answered",
            ANSWER,
            citations,
            "a-model",
            0,
            1_830.0,
            draft=ANSWER,
            prompt=PASSAGE_WORDS * 4 + QUESTION,
            prompt_template_sha256="cd" * 32,
            temperature=0.0,
            seed=0,
            maximum_tokens=160,
        ),
    )


def throughput(folder: Path, threads: int) -> tuple[float, float]:
    """Return events a second and processor microseconds an event, with that many threads."""
    each = EVENTS_PER_ROUND // threads
    with closing(AuditLog.open(folder)) as log:
        log.append(events_of_question(0)[0])
        barrier = threading.Barrier(threads + 1)

        def write(name: int) -> None:
            made = [event for n in range(each // 3 + 1) for event in events_of_question(n)][:each]
            barrier.wait()
            for event in made:
                log.append(event)
            _ = name

        running = [threading.Thread(target=write, args=(name,)) for name in range(threads)]
        for thread in running:
            thread.start()
        barrier.wait()
        began, processor = time.perf_counter(), time.process_time()
        for thread in running:
            thread.join()
        seconds, processor = time.perf_counter() - began, time.process_time() - processor
    total = each * threads
    return total / seconds, processor / total * 1e6


def question_costs(folder: Path) -> tuple[list[float], list[float], float]:
    """Return wall and processor milliseconds of each question's three events, and KiB a question.

    The readiness that a question waits for is counted too.
    """
    wall: list[float] = []
    processor: list[float] = []
    with closing(AuditLog.open(folder)) as log:
        for event in events_of_question(0):
            log.append(event)
        before = _size_of(log)
        for number in range(QUESTIONS):
            made = events_of_question(number)
            began, spent = time.perf_counter(), time.process_time()
            log.require_ready()
            for event in made:
                log.append(event)
            wall.append((time.perf_counter() - began) * 1e3)
            processor.append((time.process_time() - spent) * 1e3)
        grown = (_size_of(log) - before) / QUESTIONS / 1024
    return wall, processor, grown


def verification(folder: Path) -> tuple[float, float, float]:
    """Return wall and processor seconds of verifying a million entries, and their MiB."""
    with closing(AuditLog.open(folder)) as log:
        log.append(_short(0))
        _fill(log)
        log.checkpoint()
        size = _size_of(log) / MEBIBYTE
        began, spent = time.perf_counter(), time.process_time()
        verdict = log.verify()
        wall, processor = time.perf_counter() - began, time.process_time() - spent
        if not verdict.intact or verdict.entries != VERIFIED_ENTRIES:
            raise AssertionError(verdict.fault)
    return wall, processor, size


def _short(number: int) -> Event:
    return QuestionAsked(f"Person {number % 50}", f"t-{number}", "c", QUESTION)


def _fill(log: AuditLog) -> None:
    """Repeat the first entry with other numbers up to the last, straight into the store.

    Entries, payloads and tiles are what the log itself would write, an order of magnitude
    faster: what is measured afterwards is the reading.
    """
    first = log.entries()[0]
    disclosed = log.payload(0)
    (key,) = log.keys_of("Person 0")
    if disclosed is None or key.wrapped is None:
        raise AssertionError("the first entry has no payload")
    keys = PayloadKeys((log.path.parent / "payload.key").read_bytes(), os.urandom)
    body, tree, previous = disclosed.body.encode(), GrowingTree(), first.leaf_hash
    tree.add(bytes.fromhex(previous))
    for start in track(range(1, VERIFIED_ENTRIES, BATCH), "Writing entries to verify"):
        entries, payloads, tiles = [], [], []
        for number in range(start, min(start + BATCH, VERIFIED_ENTRIES)):
            envelope = {**first.envelope, "seq": number, "prev_leaf_hash": previous}
            line = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
            tiles += tree.add(hash_leaf(line))
            previous = hash_leaf(line).hex()
            at, pid = str(first.envelope["ts"]), log.pseudonym_of("Person 0")
            entries.append(EntryRow(number, line, previous, first.type, at, pid))
            sealed = keys.seal(
                sequence=number,
                key_id=key.key_id,
                wrapped=key.wrapped,
                salt=disclosed.salt,
                body=body,
            )
            payloads.append(PayloadRow(number, key.key_id, *sealed))
        batch = Batch(tuple(entries), tuple(payloads), tiles=tuple(tiles))
        log.store.append(partial(_always, batch))


def _always(batch: Batch, _writing: Writing) -> Batch:
    return batch


def _size_of(log: AuditLog) -> int:
    """Bytes of the database, its log written back first."""
    if isinstance(log.store, SqliteStore):
        with log.store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return log.path.stat().st_size


def main() -> None:
    """Measure and print; `python -m bench.record 20000` verifies fewer entries."""
    global VERIFIED_ENTRIES  # noqa: PLW0603 - a constant, but for who has less time
    given = [int(each) for each in sys.argv[1:] if each.isdecimal()]
    VERIFIED_ENTRIES = given[0] if given else VERIFIED_ENTRIES
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as name:
        _print_throughput(console, Path(name))
        _print_question(console, Path(name))
        _print_verification(console, Path(name))


def _print_throughput(console: Console, folder: Path) -> None:
    table = Table("threads", "events/s, median", "lowest", "highest", "processor µs/event")
    for threads in THREADS:
        found = [throughput(folder / f"t{threads}-{n}", threads) for n in range(ROUNDS)]
        rates = [rate for rate, _ in found]
        processor = statistics.median(each for _, each in found)
        table.add_row(
            f"{threads}",
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f}",
            f"{max(rates):,.0f}",
            f"{processor:,.0f}",
        )
    table.title = f"Durable events a second ({ROUNDS} rounds of {EVENTS_PER_ROUND} events)"
    console.print(table)


def _print_question(console: Console, folder: Path) -> None:
    wall, processor, grown = question_costs(folder / "questions")
    table = Table("", "p50", "p95", "highest")
    for label, values in (("wall ms", wall), ("processor ms", processor)):
        quantiles = statistics.quantiles(values, n=20)
        table.add_row(label, f"{quantiles[9]:.2f}", f"{quantiles[18]:.2f}", f"{max(values):.2f}")
    table.title = f"Added to a question by its record ({QUESTIONS} questions, one at a time)"
    console.print(table)
    console.print(f"The store grows by {grown:.1f} KiB a question, prompt and draft included.")


def _print_verification(console: Console, folder: Path) -> None:
    wall, processor, size = verification(folder / "million")
    console.print(
        f"{VERIFIED_ENTRIES:,} entries ({size:,.0f} MiB) verified in {wall:.1f} s, "
        f"{processor:.1f} s of processor."
    )


if __name__ == "__main__":
    main()
