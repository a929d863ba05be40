"""What the record tells an auditor: counts, and the story of one answer."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.events import (
    AccessDenied,
    AnswerGiven,
    CitationGiven,
    PassageRead,
    PassagesRead,
    QuestionAsked,
    QuestionRefused,
    SubjectErased,
)
from audit.log import AuditLog
from audit.store import Removal
from corpus.catalog import Catalog, Source
from corpus.documents import Block, BlockKind, Chunk, OriginalHash, Page, ParsedDocument, Version
from rag.contract import AuditFilters
from rag.errors import NotFound
from rag.oversight import count_of, entries_of, overview, story

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ASKER = "Ada Lovelace"


class Clock:
    """Every look at it is an hour later."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(hours=1)
        return self.now


@dataclass(frozen=True)
class Desk:
    """A record, and the documents it speaks of."""

    record: AuditLog
    catalog: Catalog
    source: Source

    def publish(self, text: str, path: str = "fees.pdf") -> Version:
        staged = self.catalog.stage_version(
            source_id=self.source.source_id,
            path=path,
            original=OriginalHash(hashlib.sha256(text.encode()).hexdigest()),
            media_type="application/pdf",
            parsed=ParsedDocument(
                text=text,
                blocks=(Block(0, len(text), BlockKind.PARAGRAPH),),
                pages=(Page(0, 0, len(text), 400, 600),),
                words=(),
                title=f"Title of {path}",
                properties={},
            ),
            chunks=[Chunk(0, 0, len(text), heading_path=("Terms",), page=0)],
            size=len(text),
            modified_ns=0,
        )
        self.catalog.publish(staged.version_id)
        return self.catalog.version(staged.version_id)

    def answered(self, version: Version, turn: str = "turn-1") -> int:
        """Put a question on record that a document answered; return its last entry."""
        chunk = self.catalog.chunks_of(version.version_id)[0]
        read = PassageRead(
            document_id=version.document_id,
            version_id=version.version_id,
            version_number=version.number,
            chunk_id=chunk.chunk_id,
            chunk_sha256=hashlib.sha256(chunk.text.encode()).hexdigest(),
            score=0.7,
            rank=1,
            original_sha256=version.original,
        )
        cited = CitationGiven(1, version.document_id, version.version_id, 0, 7, "The fee")
        self.record.append(QuestionAsked(ASKER, turn, "conversation-1", "What is the fee?"))
        self.record.append(PassagesRead(ASKER, turn, (read,), rewritten="fee"))
        return self.record.append(
            AnswerGiven(
                person=ASKER,
                turn_id=turn,
                outcome="answered",
                answer="The fee is fixed.",
                citations=(cited,),
                model="SmolLM2",
                struck=1,
                milliseconds=12.0,
                draft="The fee is fixed. It is ten pounds.",
                prompt="Answer from the passages.",
            )
        ).sequence

    def refused(self, turn: str) -> int:
        self.record.append(QuestionAsked(ASKER, turn, "conversation-1", "Who?"))
        return self.record.append(QuestionRefused(ASKER, turn, "no_evidence", 3.0)).sequence


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with (
        closing(AuditLog.open(tmp_path / "audit", clock=Clock())) as record,
        closing(Catalog.open(f"sqlite:///{tmp_path}/catalog.db")) as catalog,
    ):
        source = catalog.add_source(
            name="Policies", location=Path("/srv/policies"), groups=frozenset({"staff"})
        )
        yield Desk(record, catalog, source)


def test_a_story_goes_from_the_question_to_the_answer(desk: Desk) -> None:
    version = desk.publish("The fee is fixed")
    last = desk.answered(version)
    desk.answered(version, "turn-2")

    told = story(desk.record, desk.catalog, last)

    assert told.entries == [0, 1, 2]
    assert (told.person, told.question, told.rewritten) == (ASKER, "What is the fee?", "fee")
    assert (told.answer, told.outcome, told.model) == ("The fee is fixed.", "answered", "SmolLM2")
    assert (told.prompt, told.struck) == ("Answer from the passages.", 1)
    assert told.draft == "The fee is fixed. It is ten pounds."
    assert told.milliseconds == 12.0
    (passage,) = told.passages
    assert (passage.title, passage.page, passage.cited) == ("Title of fees.pdf", 0, True)
    assert (passage.state, passage.same_text) == ("unchanged", True)
    assert passage.original_sha256 == version.original
    assert [citation.quote for citation in told.citations] == ["The fee"]
    assert not told.erased


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_story_is_told_from_any_of_its_entries(desk: Desk, part: int) -> None:
    desk.answered(desk.publish("The fee is fixed"))

    assert story(desk.record, desk.catalog, part) == story(desk.record, desk.catalog, 2)


def test_a_later_version_shows_that_the_document_changed_since(desk: Desk) -> None:
    last = desk.answered(desk.publish("The fee is fixed"))
    desk.publish("The fee is doubled")

    (passage,) = story(desk.record, desk.catalog, last).passages

    assert (passage.state, passage.same_text) == ("changed", True)


def test_a_chunk_that_was_cut_otherwise_since_is_still_told_of(desk: Desk) -> None:
    version = desk.publish("The fee is fixed")
    last = desk.answered(version)
    desk.catalog.recut(
        version.version_id, [Chunk(0, 0, 7, page=0), Chunk(1, 8, 16, page=0)], cutting="2:5:8:2"
    )

    (passage,) = story(desk.record, desk.catalog, last).passages

    assert (passage.state, passage.same_text) == ("unchanged", True)
    assert (passage.page, passage.start, passage.end) == (0, 0, 16)


def test_a_withdrawn_document_is_gone(desk: Desk) -> None:
    version = desk.publish("The fee is fixed")
    last = desk.answered(version)
    desk.catalog.withdraw_document(version.document_id)

    (passage,) = story(desk.record, desk.catalog, last).passages

    assert passage.state == "gone"


def test_a_refusal_has_a_story_too(desk: Desk) -> None:
    told = story(desk.record, desk.catalog, desk.refused("turn-1"))

    assert (told.outcome, told.reason, told.passages) == ("refused", "no_evidence", [])


def test_an_erased_question_keeps_its_hashes_and_says_that_it_was_erased(desk: Desk) -> None:
    last = desk.answered(desk.publish("The fee is fixed"))
    keys = tuple(key.key_id for key in desk.record.keys_of(ASKER))
    erasure = SubjectErased("operator", ASKER, "request", None, 3, ())
    desk.record.append_and_remove(erasure, Removal(keys=keys))

    told = story(desk.record, desk.catalog, last)

    assert told.erased
    assert (told.question, told.answer, told.prompt, told.person) == ("", "", "", "")
    assert told.pseudonym == desk.record.pseudonym_of(ASKER)
    assert told.passages[0].same_text is True


@pytest.mark.parametrize("sequence", [0, 7, -1])
def test_an_entry_without_a_question_has_no_story(desk: Desk, sequence: int) -> None:
    desk.record.append(AccessDenied(ASKER, "the page"))

    with pytest.raises(NotFound):
        story(desk.record, desk.catalog, sequence)


def test_the_overview_counts_by_day_kind_and_document(desk: Desk) -> None:
    fees, terms = desk.publish("The fee is fixed"), desk.publish("The terms", "terms.pdf")
    for turn, version in enumerate((fees, fees, terms)):
        desk.answered(version, f"turn-{turn}")
    desk.refused("turn-9")
    desk.record.append(AccessDenied(ASKER, "the page"))

    counted = overview(desk.record, desk.catalog, AuditFilters())

    assert counted.total == desk.record.count() == 12
    assert sum(day.asked for day in counted.days) == 4
    assert sum(day.answered for day in counted.days) == 3
    assert sum(day.refused for day in counted.days) == 1
    assert sum(day.denied for day in counted.days) == 1
    assert {each.family for each in counted.families} == {"rag", "access"}
    assert sum(each.count for each in counted.families) == 12
    relied = [(each.title, each.answers) for each in counted.documents]
    assert relied == [("Title of fees.pdf", 2), ("Title of terms.pdf", 1)]
    assert counted.documents[0].share == pytest.approx(2 / 3)


def test_an_empty_record_has_an_empty_overview(desk: Desk) -> None:
    counted = overview(desk.record, desk.catalog, AuditFilters())

    assert (counted.total, counted.days, counted.documents) == (0, [], [])


def test_filters_narrow_what_is_listed_and_counted(desk: Desk) -> None:
    fees, terms = desk.publish("The fee is fixed"), desk.publish("The terms", "terms.pdf")
    desk.answered(fees)
    desk.answered(terms, "turn-2")
    desk.refused("turn-3")
    desk.record.append(AccessDenied("Grace", "the page"))
    everything = entries_of(desk.record, AuditFilters())

    def kinds(**wanted: object) -> list[str]:
        filters = AuditFilters.model_validate(wanted)
        found = [entry.type for entry in entries_of(desk.record, filters)]
        assert count_of(desk.record, filters) == len(found)
        return found

    assert kinds(person="Grace") == ["access.denied"]
    assert kinds(outcome="refused") == ["rag.refuse"]
    assert kinds(document=fees.document_id) == ["rag.answer", "rag.retrieve"]
    assert kinds(type="rag.refuse,access") == ["access.denied", "rag.refuse"]
    assert kinds(since=everything[1].at) == ["access.denied", "rag.refuse"]
    assert kinds(until=everything[-2].at) == ["rag.ask"]


def test_older_entries_follow_the_newest(desk: Desk) -> None:
    for turn in range(4):
        desk.refused(f"turn-{turn}")

    newest = entries_of(desk.record, AuditFilters(), limit=3)
    older = entries_of(desk.record, AuditFilters(), after=newest[-1].sequence, limit=3)

    assert [entry.sequence for entry in (*newest, *older)] == [7, 6, 5, 4, 3, 2]
