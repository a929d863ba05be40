from datetime import timedelta

import pytest

from audit.events import AnswerGiven, CitationGiven, DocumentWithdrawn, QuestionRefused
from audit.log import AuditLog
from tests.audit.conftest import START, Ask


@pytest.fixture
def filled(log: AuditLog, asked: Ask) -> AuditLog:
    """A question, a refusal, and a document that is withdrawn: a second apart."""
    log.append(asked())
    log.append(
        QuestionRefused(person="Ada Lovelace", turn_id="turn-0", reason="none", milliseconds=1)
    )
    log.append(DocumentWithdrawn(source="Policies", document_id="d-1", path="fees.pdf"))
    return log


def found(log: AuditLog, **wanted: object) -> list[str]:
    entries = log.entries(**wanted)  # type: ignore[arg-type]
    assert log.count(**wanted) == len(entries)  # type: ignore[arg-type]
    return [entry.type for entry in entries]


def test_entries_are_found_by_how_they_ended(filled: AuditLog) -> None:
    assert found(filled, outcome="refused") == ["rag.refuse"]


def test_entries_are_found_by_the_document_they_are_about(filled: AuditLog) -> None:
    assert found(filled, document="d-1") == ["doc.delete"]
    assert found(filled, document="d-2") == []


def test_entries_are_found_by_their_time(filled: AuditLog) -> None:
    first, second, third = (entry.at for entry in filled.entries())

    assert found(filled, until=second) == ["rag.ask"]
    assert found(filled, since=second, until=third) == ["rag.refuse"]
    assert found(filled, since=START + timedelta(hours=1)) == []
    assert first < second


def test_an_answer_is_about_the_documents_it_cites(log: AuditLog) -> None:
    cited = CitationGiven(
        number=1, document_id="d-7", version_id="v-1", start=0, end=3, quote="The"
    )
    log.append(
        AnswerGiven(
            person="Ada Lovelace",
            turn_id="turn-0",
            outcome="answered",
            answer="The.",
            citations=(cited,),
            model="",
            struck=0,
            milliseconds=1,
        )
    )

    assert found(log, document="d-7") == ["rag.answer"]
