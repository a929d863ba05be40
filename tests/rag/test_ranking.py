"""What is ranked, for whom, and what strange questions and indexes lead to."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus.access import AccessListId
from corpus.documents import ChunkId, DocumentId, VersionId
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder, Point, VectorIndex, open_index
from corpus.index.bm25 import IndexedText
from corpus.word_vectors import WordVectors
from rag.fusion import Weights
from rag.ranking import Ranker

STAFF, PARTNERS = AccessListId(1), AccessListId(2)
LEAVE = "Every member of staff has 27 days of annual leave a year."
MILEAGE = "Business mileage in a private car is paid at 45 pence a mile."
CLAUSE = (
    "Each party shall keep secret all confidential information of the other party, its customers, "
    "suppliers and employees, during the term of the agreement and five years after it ends."
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedding")


@pytest.fixture(scope="module")
def embedder(cache: Path) -> Embedder:
    return Embedder.load(cache_folder=cache)


@pytest.fixture(scope="module")
def words(embedder: Embedder, cache: Path) -> WordVectors | None:
    return WordVectors.load(embedder, cache_folder=cache)


@pytest.fixture
def index(tmp_path: Path, embedder: Embedder) -> Iterator[VectorIndex]:
    opened = open_index(
        folder=tmp_path / "index",
        url="",
        api_key="",
        dimension=embedder.dimension,
        fingerprint=embedder.fingerprint,
    )
    yield opened
    opened.close()


@pytest.fixture
def ranker(index: VectorIndex, embedder: Embedder, words: WordVectors | None) -> Ranker:
    return Ranker(index=index, embedder=embedder, bm25=Bm25Encoder(), word_vectors=words)


def point(
    embedder: Embedder,
    text: str,
    *,
    document: str = "",
    names: str = "",
    heading: str = "",
    access_list: AccessListId = STAFF,
) -> Point:
    key = uuid.uuid5(uuid.NAMESPACE_OID, f"{document}{heading}{text}{access_list}")
    return Point(
        chunk_id=ChunkId(str(key)),
        document_id=DocumentId(document or str(key)),
        version_id=VersionId(document or str(key)),
        access_list=access_list,
        dense=embedder.embed([text])[0],
        sparse=Bm25Encoder().encode_text(
            IndexedText(text, headings=(heading,) if heading else (), names=names)
        ),
        live=True,
    )


def test_holiday_is_found_where_the_text_says_annual_leave(
    ranker: Ranker, index: VectorIndex, embedder: Embedder
) -> None:
    leave = point(embedder, LEAVE)
    index.upsert([leave, point(embedder, MILEAGE), point(embedder, CLAUSE)])

    best = ranker.rank("How much holiday do I get?", access_lists={STAFF})[0]

    assert best.chunk_id == leave.chunk_id
    assert best.found.dense_rank == 1
    assert best.found.closeness is not None


def test_a_question_that_names_a_document_is_answered_from_it(
    ranker: Ranker, index: VectorIndex, embedder: Embedder
) -> None:
    chunks = [
        point(embedder, CLAUSE, document=name, names=f"{name} agreement")
        for name in ("Kerber", "Velco")
    ]
    index.upsert(chunks)

    ranked = ranker.rank(
        "What must be kept secret under the Velco agreement?", access_lists={STAFF}
    )

    assert ranked[0].chunk_id == chunks[1].chunk_id
    assert ranked[0].found.document > ranked[1].found.document


def test_a_rule_brings_the_rule_it_refers_to(
    ranker: Ranker, index: VectorIndex, embedder: Embedder
) -> None:
    citing = point(
        embedder, "4.1 Capital is reduced as Rule 9.2 sets out.", document="d", heading="Capital"
    )
    cited = point(embedder, "9.2 The haircut is eight per cent.", document="d", heading="Haircuts")
    elsewhere = point(embedder, "9.2 The haircut is eight per cent.", document="e", heading="Cuts")
    index.upsert([citing, cited, elsewhere])

    found = {
        one.chunk_id: one.found
        for one in ranker.rank("How is capital reduced?", access_lists={STAFF})
    }

    assert found[cited.chunk_id].reference > 0
    assert found[elsewhere.chunk_id].reference == 0


@pytest.mark.parametrize(
    ("reference", "label", "gains"),
    [
        ("4.12.7", "4.12.7", True),
        ("4.12.7", "4.12.7(2)", True),
        ("4.12.7(2)", "4.12.7", True),
        ("4.12.7", "4", False),
        ("4.12.7", "4.12.70", False),
    ],
)
def test_a_reference_means_a_section_its_parts_and_what_surrounds_it(
    ranker: Ranker,
    index: VectorIndex,
    embedder: Embedder,
    reference: str,
    label: str,
    *,
    gains: bool,
) -> None:
    citing = point(embedder, f"Capital is reduced as Rule {reference} sets out.", document="d")
    cited = point(embedder, "The haircut is eight per cent.", document="d", heading=f"Rule {label}")
    index.upsert([citing, cited])

    ranked = ranker.rank("How is capital reduced?", access_lists={STAFF})

    found = {one.chunk_id: one.found for one in ranked}
    assert (found[cited.chunk_id].reference > 0) is gains


def test_ten_versions_of_one_clause_do_not_fill_the_window(
    ranker: Ranker, index: VectorIndex, embedder: Embedder
) -> None:
    index.upsert([point(embedder, CLAUSE, document=f"d{number}") for number in range(10)])
    other = point(embedder, "Confidential information is returned when the agreement ends.")
    index.upsert([other])

    ranked = ranker.rank("What of confidential information?", access_lists={STAFF})

    assert other.chunk_id in [one.chunk_id for one in ranked[:3]]
    assert sum(one.found.repeats for one in ranked) == 8


def test_what_the_asker_may_not_read_changes_neither_order_nor_scores(
    ranker: Ranker, index: VectorIndex, embedder: Embedder
) -> None:
    index.upsert([point(embedder, text, names="Handbook") for text in (LEAVE, MILEAGE, CLAUSE)])
    before = ranker.rank("annual leave in the handbook", access_lists={STAFF})

    index.upsert(
        [
            point(embedder, f"{LEAVE} {number}", names="Handbook leave", access_list=PARTNERS)
            for number in range(12)
        ]
    )

    assert ranker.rank("annual leave in the handbook", access_lists={STAFF}) == before


@pytest.mark.parametrize(
    "question",
    [
        "",
        " \n",
        "leave",
        "the of and to",
        "leave " * 20_000,
        "\x00\x01\ufffd\udcff",
        "Wie viele Urlaubstage? \u5e74\u6b21 \u0623\u064a\u0627\u0645 leave",
        "<b>leave</b> & [link](http://x) {{7*7}} ' OR 1=1 --",
    ],
)
def test_any_question_gets_an_order_and_no_error(
    ranker: Ranker, index: VectorIndex, embedder: Embedder, question: str
) -> None:
    index.upsert([point(embedder, LEAVE), point(embedder, MILEAGE)])

    ranked = ranker.rank(question, access_lists={STAFF})

    assert {one.chunk_id for one in ranked} <= {
        point(embedder, LEAVE).chunk_id,
        point(embedder, MILEAGE).chunk_id,
    }
    assert all(0.0 <= one.score <= 1.0 for one in ranked)


def test_an_empty_index_ranks_nothing(ranker: Ranker) -> None:
    assert ranker.rank("annual leave", access_lists={STAFF}) == []


def test_nobody_in_no_list_is_ranked_anything(ranker: Ranker, index: VectorIndex) -> None:
    index.close()

    assert ranker.rank("annual leave", access_lists=set()) == []


def test_five_thousand_lists_are_searched_at_once(
    ranker: Ranker, index: VectorIndex, embedder: Embedder
) -> None:
    index.upsert([point(embedder, LEAVE, access_list=AccessListId(4_999))])

    ranked = ranker.rank("leave", access_lists={AccessListId(number) for number in range(5_000)})

    assert len(ranked) == 1


def test_an_ingredient_of_weight_nought_is_left_out(
    index: VectorIndex, embedder: Embedder, words: WordVectors | None
) -> None:
    index.upsert([point(embedder, LEAVE, names="Handbook"), point(embedder, MILEAGE)])
    ranker = Ranker(
        index=index,
        embedder=embedder,
        bm25=Bm25Encoder(),
        word_vectors=words,
        weights=Weights(closeness=0.0, document=0.0, reference=0.0),
    )

    found = ranker.rank("leave in the handbook", access_lists={STAFF})[0].found

    assert (found.closeness, found.document, found.reference) == (None, 0.0, 0.0)
