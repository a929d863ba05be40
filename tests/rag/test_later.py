"""Where an earlier edition answers, the later one is asked too, if the asker may read it."""

from collections.abc import Iterator

import pytest

from bench.desk import Desk, opened
from corpus.access import AuthorizedChunk, Principal
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder
from corpus.records import AccessRule
from rag.contract import Answer, Outcome
from rag.later import LATER_PASSAGES, MOST_DOCUMENTS, LaterEditions
from rag.retrieval import Retriever
from tests.judge import judge

PARTNER = Principal("partner", frozenset({"staff", "partners"}))
CLERK = Principal("clerk", frozenset({"staff"}))
QUESTION = "Are photographs of receipts accepted with a claim?"
OLD = "Photographs of receipts are not accepted with a claim."
NEW = "Receipts are photographed in the Ledgerline app, and paper is returned unread."
EDITIONS = "Expenses Policy"
FILLER = (
    "Lunch is paid on long days only. The room is booked at the desk.",
    "Rail travel is by standard class. Taxis are for late hours.",
    "The driver must hold insurance for business use.",
)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder.load(cache_folder=tmp_path_factory.mktemp("embedding"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Desk]:
    """Three editions, of which the last is for partners alone until it is published."""
    folder = tmp_path_factory.mktemp("documents")
    for year, rule in ((2021, OLD), (2023, OLD), (2025, NEW)):
        paragraphs = "\n\n".join(f"## Part {n}\n\n{text}" for n, text in enumerate((*FILLER, rule)))
        (folder / f"expenses-{year}.md").write_text(f"# {EDITIONS} {year}\n\n{paragraphs}\n")
    rules = [AccessRule("expenses-2025.md", frozenset({"partners"}))]
    with opened(
        folder, groups=frozenset({"staff"}), rules=rules, encoder=embedder, weigh=judge().weigh
    ) as opened_desk:
        yield opened_desk


def later_editions(desk: Desk) -> LaterEditions:
    return LaterEditions(catalog=desk.catalog, gate=desk.catalog.gate(), retriever=retriever(desk))


def retriever(desk: Desk) -> Retriever:
    return Retriever(
        catalog=desk.catalog,
        gate=desk.catalog.gate(),
        index=desk.index,
        embedder=desk.embedder,
        bm25=Bm25Encoder(),
    )


def passages_of(desk: Desk, year: int, asker: Principal = PARTNER) -> list[AuthorizedChunk]:
    title = f"{EDITIONS} {year}"
    (document,), _ = desk.catalog.readable_documents(PARTNER, query=title)
    found = retriever(desk).retrieve(
        QUESTION, visible_to=asker, limit=9, documents=[document.version.document_id]
    )
    return desk.catalog.gate().authorize(asker, [one.chunk for one in found])


def ask(desk: Desk, asker: Principal, question: str = QUESTION) -> Answer:
    return desk.ask(question, asker, model=None)


def test_a_search_within_a_document_finds_nothing_of_others(desk: Desk) -> None:
    assert {chunk.found.title for chunk in passages_of(desk, 2023)} == {f"{EDITIONS} 2023"}


def test_beside_an_earlier_edition_the_latest_is_read(desk: Desk) -> None:
    earlier = passages_of(desk, 2021)

    read, denied = later_editions(desk).beside(QUESTION, earlier, PARTNER)

    assert 0 < len(read) <= LATER_PASSAGES
    assert {one.chunk.found.title for one in read} == {f"{EDITIONS} 2025"}
    assert any(NEW in one.chunk.found.text for one in read)
    assert denied == 0


def test_beside_the_latest_edition_nothing_more_is_read(desk: Desk) -> None:
    assert later_editions(desk).beside(QUESTION, passages_of(desk, 2025), PARTNER) == ([], 0)


def test_what_was_found_already_is_not_read_twice(desk: Desk) -> None:
    both = [*passages_of(desk, 2023), *passages_of(desk, 2025)]

    assert later_editions(desk).beside(QUESTION, both, PARTNER) == ([], 0)


def test_the_later_editions_of_few_documents_are_searched(desk: Desk) -> None:
    for number in range(MOST_DOCUMENTS + 2):
        for year in (2022, 2024):
            rule = f"Receipts of kind {number} are kept in {year}."
            path = desk.documents / f"rules-{number}-{year}.md"
            path.write_text(f"# Receipts of kind {'abcdefgh'[number]} {year}\n\n{rule}\n")
    desk.read_again()
    found = retriever(desk).retrieve("Receipts of kind", visible_to=PARTNER, limit=30)
    earlier = [one.chunk for one in found if one.chunk.title.endswith(" 2022")]
    chunks = desk.catalog.gate().authorize(PARTNER, earlier)
    assert len(chunks) > MOST_DOCUMENTS

    read, _ = later_editions(desk).beside("Receipts of kind", chunks, PARTNER)

    assert len({one.chunk.found.document_id for one in read}) == MOST_DOCUMENTS


def test_a_later_edition_is_not_there_for_who_may_not_read_it(desk: Desk) -> None:
    earlier = passages_of(desk, 2021, CLERK)[0].found

    known = later_editions(desk).of(earlier.document_id, earlier.title, earlier.path, CLERK)
    read, denied = later_editions(desk).beside(QUESTION, passages_of(desk, 2023, CLERK), CLERK)

    assert known is not None
    assert known.title == f"{EDITIONS} 2023"
    assert (read, denied) == ([], 0)


def test_the_rule_in_force_stands_first_in_whatever_words(desk: Desk) -> None:
    answer = ask(desk, PARTNER)

    assert answer.outcome is Outcome.CONFLICT
    assert answer.citations[0].title == f"{EDITIONS} 2025"
    assert answer.citations[0].quote == NEW
    assert OLD in [citation.quote for citation in answer.citations]


def test_an_edition_that_the_question_names_is_quoted_first(desk: Desk) -> None:
    answer = ask(desk, PARTNER, f"In 2023, {QUESTION[0].lower()}{QUESTION[1:]}")

    assert answer.citations[0].title == f"{EDITIONS} 2023"


def test_nothing_tells_of_a_later_edition_to_who_may_not_read_it(desk: Desk) -> None:
    answer = ask(desk, CLERK)

    assert answer.citations[0].title == f"{EDITIONS} 2023"
    assert "2025" not in answer.model_dump_json()
    assert "Ledgerline" not in answer.model_dump_json()


def test_what_was_read_of_a_later_edition_is_on_record(desk: Desk) -> None:
    answer = ask(desk, PARTNER)

    read = [entry for entry in desk.record.entries() if entry.type == "rag.retrieve"]
    told = str(read[-1].envelope)
    assert all(citation.version_id in told for citation in answer.citations)
