from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus.catalog import Catalog
from corpus.documents import DocumentId
from corpus.errors import Held, UnknownDocument, UnknownHold, UnknownSource
from corpus.holds import HoldId, Holds, HoldScope
from tests.corpus.conftest import Clock, Shelf

BY, REASON = "privacy officer", "claim 2026-17"


@pytest.fixture
def holds(catalog: Catalog) -> Holds:
    return catalog.holds()


@pytest.fixture
def document_id(shelf: Shelf) -> DocumentId:
    return shelf.publish().document_id


def test_a_document_without_a_hold_is_not_held(holds: Holds, document_id: DocumentId) -> None:
    assert not holds.is_held(document_id)
    holds.refuse_if_held(document_id, person="ada")


def test_a_hold_on_a_document_keeps_that_one_only(
    holds: Holds, shelf: Shelf, document_id: DocumentId
) -> None:
    other = shelf.publish("terms.pdf", "The terms").document_id

    hold = holds.place(HoldScope.DOCUMENT, document_id, reason=REASON, by=BY)

    assert holds.on_document(document_id) == hold
    assert holds.on_documents([other, document_id]) == hold
    assert not holds.is_held(other)
    with pytest.raises(Held, match=hold.hold_id):
        holds.refuse_if_held(document_id)


@pytest.mark.parametrize("named_by", ["id", "name"])
def test_a_hold_on_a_source_keeps_its_documents_even_once_it_is_removed(
    holds: Holds, shelf: Shelf, document_id: DocumentId, named_by: str
) -> None:
    target = shelf.source.source_id if named_by == "id" else shelf.source.name

    hold = holds.place(HoldScope.SOURCE, target, reason=REASON, by=BY)
    shelf.catalog.remove_source(shelf.source.source_id)

    assert holds.on_document(document_id) == hold
    assert holds.on_source(shelf.source.source_id) == hold


def test_a_source_is_kept_by_a_hold_on_one_of_its_documents(
    holds: Holds, shelf: Shelf, document_id: DocumentId
) -> None:
    hold = holds.place(HoldScope.DOCUMENT, document_id, reason=REASON, by=BY)

    assert holds.on_source(shelf.source.source_id) == hold


def test_a_hold_on_everything_keeps_documents_and_people(
    holds: Holds, document_id: DocumentId
) -> None:
    holds.place(HoldScope.EVERYTHING, "", reason=REASON, by=BY)

    assert holds.is_held(document_id)
    assert holds.is_held(person="anybody")


def test_a_person_is_found_however_the_name_is_typed(holds: Holds, document_id: DocumentId) -> None:
    holds.place(HoldScope.PERSON, "Ada Lovelace", reason=REASON, by=BY)

    assert holds.is_held(person=" ada LOVELACE ")
    assert not holds.is_held(person="ada")
    assert not holds.is_held(document_id)
    with pytest.raises(Held):
        holds.refuse_if_held(person="ada lovelace")


def test_a_lifted_hold_keeps_nothing_and_stays_listed(
    holds: Holds, document_id: DocumentId
) -> None:
    hold = holds.place(HoldScope.DOCUMENT, document_id, reason=REASON, by=BY)

    lifted = holds.lift(hold.hold_id, by="counsel")

    assert holds.lift(hold.hold_id, by="somebody else") == lifted
    assert lifted.lifted_by == "counsel"
    assert not holds.is_held(document_id)
    assert holds.all() == []
    assert holds.all(standing_only=False) == [lifted]


def test_one_hold_of_two_is_enough(holds: Holds, document_id: DocumentId) -> None:
    first = holds.place(HoldScope.DOCUMENT, document_id, reason=REASON, by=BY)
    second = holds.place(HoldScope.DOCUMENT, document_id, reason="another claim", by=BY)

    holds.lift(first.hold_id, by=BY)

    assert holds.on_document(document_id) == second


def test_a_hold_on_what_nobody_knows_is_refused(holds: Holds) -> None:
    with pytest.raises(UnknownDocument):
        holds.place(HoldScope.DOCUMENT, "no-such-document", reason=REASON, by=BY)
    with pytest.raises(UnknownSource):
        holds.place(HoldScope.SOURCE, "no such source", reason=REASON, by=BY)
    with pytest.raises(UnknownHold):
        holds.lift(HoldId("no-such-hold"), by=BY)


@pytest.fixture
def reopened(url: str, clock: Clock, tmp_path: Path) -> Iterator[Holds]:
    opened = Holds.open(url, clock=clock)
    yield opened
    opened.close()


def test_a_hold_counts_in_every_program(
    holds: Holds, reopened: Holds, document_id: DocumentId
) -> None:
    holds.place(HoldScope.DOCUMENT, document_id, reason=REASON, by=BY)

    assert reopened.is_held(document_id)
