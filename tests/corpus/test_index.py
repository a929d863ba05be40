"""One body of tests for every engine the index can stand on."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient

from corpus.access import AccessListId
from corpus.documents import ChunkId, DocumentId, VersionId
from corpus.errors import IndexMismatch, IndexUnavailable
from corpus.index import BATCH_POINTS, Bm25Encoder, Point, Rankings, VectorIndex, open_index, server
from corpus.index.bm25 import PAIR_WEIGHT, IndexedText
from corpus.index.server import MEMORY, ServerIndex

DIMENSION = 8
FINGERPRINT = "model-one"
STAFF, PARTNERS = AccessListId(1), AccessListId(2)

Opener = Callable[[], VectorIndex]


@pytest.fixture(params=["edge", "server"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorIndex]:
    url = MEMORY if request.param == "server" else ""
    opened = open_index(
        folder=tmp_path / "index", url=url, api_key="", dimension=DIMENSION, fingerprint=FINGERPRINT
    )
    yield opened
    opened.close()


@pytest.fixture
def open_edge(tmp_path: Path) -> Opener:
    def opener(fingerprint: str = FINGERPRINT) -> VectorIndex:
        return open_index(
            folder=tmp_path / "index",
            url="",
            api_key="",
            dimension=DIMENSION,
            fingerprint=fingerprint,
        )

    return opener


def test_points_are_found_by_meaning_and_by_words(index: VectorIndex) -> None:
    fees = point("the fee schedule for probate", direction=0)
    leave = point("annual leave and sickness", direction=1)
    index.upsert([fees, leave])

    found = search(index, "probate fee", direction=1)

    assert [scored.chunk_id for scored in found.dense] == [leave.chunk_id, fees.chunk_id]
    assert [scored.chunk_id for scored in found.sparse] == [fees.chunk_id, leave.chunk_id]
    assert found.dense[0].score == pytest.approx(1.0, abs=1e-5)
    assert found.sparse[1].score == 0


def test_points_that_are_not_live_are_not_found(index: VectorIndex) -> None:
    index.upsert([point("fee", live=False)])

    assert search(index, "fee") == Rankings([], [])


def test_a_version_made_live_is_found(index: VectorIndex) -> None:
    staged = point("fee", version="v1", live=False)
    index.upsert([staged, point("fee", version="v2", live=False)])

    index.make_live(VersionId("v1"))

    assert ids(search(index, "fee")) == {staged.chunk_id}


def test_a_stranger_to_the_access_list_finds_nothing(index: VectorIndex) -> None:
    index.upsert([point("fee", access_list=PARTNERS)])

    assert search(index, "fee", access_lists={STAFF}) == Rankings([], [])


def test_nobody_is_admitted_by_no_access_list(index: VectorIndex) -> None:
    index.upsert([point("fee")])

    assert search(index, "fee", access_lists=set()) == Rankings([], [])


def test_no_engine_is_asked_without_an_access_list(index: VectorIndex) -> None:
    index.close()

    assert search(index, "fee", access_lists=set()) == Rankings([], [])


def test_scores_do_not_depend_on_what_the_asker_may_not_read(index: VectorIndex) -> None:
    index.upsert([point("probate fee"), point("conveyancing fee"), point("leave")])
    before = search(index, "probate fee")

    index.upsert([point("probate probate", access_list=PARTNERS) for _ in range(20)])

    assert search(index, "probate fee") == before


def test_a_document_under_another_access_list_is_found_by_other_people(index: VectorIndex) -> None:
    moved = point("fee", document="d1")
    stays = point("fee", document="d2")
    index.upsert([moved, stays])

    index.set_access_list(DocumentId("d1"), PARTNERS)

    assert ids(search(index, "fee", access_lists={STAFF})) == {stays.chunk_id}
    assert ids(search(index, "fee", access_lists={PARTNERS})) == {moved.chunk_id}


def test_a_question_that_names_a_document_finds_its_first_chunk(index: VectorIndex) -> None:
    wanted = point("cash flow", document="d1", names="ADBE 10-K ADOBE_2022_10K")
    index.upsert([wanted, point("cash flow", document="d2", names="BOEING_2022_10K")])

    found = search(index, "What is Adobe's cash flow for FY2022?").documents

    assert found[0].chunk_id == wanted.chunk_id
    assert found[0].facts.document_id == "d1"
    assert found[0].score > found[1].score


def test_names_of_documents_the_asker_may_not_read_change_no_score(index: VectorIndex) -> None:
    index.upsert([point("x", names="ADOBE_2022"), point("y", names="BOEING_2022")])
    before = search(index, "Adobe in 2022")

    index.upsert([point("z", names="ADOBE_2022", access_list=PARTNERS) for _ in range(9)])

    after = search(index, "Adobe in 2022")
    assert [(one.chunk_id, one.score) for one in after.documents] == [
        (one.chunk_id, one.score) for one in before.documents
    ]


def test_what_is_known_of_a_chunk_comes_back_with_it(index: VectorIndex) -> None:
    index.upsert([point("4.12.7 Risk weights, subject to Rule 4.12.8", document="d1")])

    facts = search(index, "risk weights").sparse[0].facts

    assert facts.document_id == "d1"
    assert facts.labels == ("4.12.7",)
    assert facts.references == ("4.12.8",)
    assert "weights" in facts.words


def test_an_index_of_an_earlier_layout_says_what_to_do(open_edge: Opener, tmp_path: Path) -> None:
    open_edge().close()
    (tmp_path / "index" / "index.json").write_text(
        json.dumps({"dimension": DIMENSION, "fingerprint": FINGERPRINT})
    )

    with pytest.raises(IndexMismatch, match="made anew from the catalog"):
        open_edge()


def test_a_search_can_be_narrowed_to_documents(index: VectorIndex) -> None:
    wanted = point("fee", document="d1")
    index.upsert([wanted, point("fee", document="d2")])

    assert ids(search(index, "fee", documents={DocumentId("d1")})) == {wanted.chunk_id}
    assert ids(search(index, "fee", documents=set())) == set()


def test_a_removed_version_is_gone(index: VectorIndex) -> None:
    kept = point("fee", version="v2")
    index.upsert([point("fee", version="v1"), kept])

    index.remove_version(VersionId("v1"))
    index.remove_version(VersionId("v1"))

    assert ids(search(index, "fee")) == {kept.chunk_id}
    assert index.count() == 1
    assert index.versions() == {VersionId("v2")}


def test_writing_a_point_twice_is_writing_it_once(index: VectorIndex) -> None:
    twice = point("fee")

    index.upsert([twice])
    index.upsert([twice])

    assert index.count() == 1


def test_versions_and_counts_include_what_is_not_live(index: VectorIndex) -> None:
    index.upsert([point("fee", version="v1", live=False), point("fee", version="v2")])

    assert index.count() == 2
    assert index.versions() == {VersionId("v1"), VersionId("v2")}


def test_an_empty_index_answers(index: VectorIndex) -> None:
    assert search(index, "fee") == Rankings([], [])
    assert index.count() == 0
    assert index.versions() == set()


def test_more_points_than_a_batch_are_all_written(index: VectorIndex) -> None:
    index.upsert([point("fee") for _ in range(BATCH_POINTS + 1)])

    assert index.count() == BATCH_POINTS + 1


def test_a_ranking_is_cut_at_its_limit(index: VectorIndex) -> None:
    index.upsert([point("fee", direction=1) for _ in range(5)])

    found = search(index, "fee", limit=3)

    assert len({scored.chunk_id for scored in found.dense}) == len(found.dense) <= 6


def test_each_ranking_scores_what_only_the_other_found(index: VectorIndex) -> None:
    by_words, by_meaning = point("fee fee", direction=1), point("fee of many words", direction=0)
    index.upsert([by_words, by_meaning, point("nothing of it", direction=1)])

    found = search(index, "fee", direction=0, limit=1)

    assert [scored.chunk_id for scored in found.dense] == [by_meaning.chunk_id, by_words.chunk_id]
    assert [scored.chunk_id for scored in found.sparse] == [by_words.chunk_id, by_meaning.chunk_id]
    assert 0 < found.sparse[1].score < found.sparse[0].score
    assert found.sparse[1].facts == found.dense[0].facts


def test_five_thousand_access_lists_can_be_searched_at_once(index: VectorIndex) -> None:
    inside, outside = (
        point("fee", access_list=AccessListId(4_999)),
        point("fee", access_list=AccessListId(5_000)),
    )
    index.upsert([inside, outside])

    found = search(index, "fee", access_lists={AccessListId(number) for number in range(5_000)})

    assert ids(found) == {inside.chunk_id}


def test_a_question_without_terms_is_searched_by_meaning_alone(index: VectorIndex) -> None:
    index.upsert([point("fee")])

    found = search(index, "the")

    assert len(found.dense) == 1
    assert found.sparse == []


def test_an_embedded_index_keeps_its_points(open_edge: Opener) -> None:
    kept = point("fee")
    first = open_edge()
    first.upsert([kept])
    first.close()

    again = open_edge()

    assert ids(search(again, "fee")) == {kept.chunk_id}
    again.close()


def test_an_embedded_index_has_one_owner(open_edge: Opener) -> None:
    owner = open_edge()

    with pytest.raises(IndexUnavailable, match="in use by another process"):
        open_edge()

    owner.close()
    open_edge().close()


def test_an_index_of_another_model_is_not_opened(open_edge: Callable[[str], VectorIndex]) -> None:
    open_edge(FINGERPRINT).close()

    with pytest.raises(IndexMismatch, match="another embedding model"):
        open_edge("model-two")

    open_edge(FINGERPRINT).close()


def test_a_creation_cut_short_is_begun_anew(open_edge: Opener, tmp_path: Path) -> None:
    open_edge().close()
    (tmp_path / "index" / "index.json").unlink()

    again = open_edge()

    assert again.count() == 0
    again.close()


def test_a_closed_embedded_index_says_so(open_edge: Opener) -> None:
    closed = open_edge()
    closed.close()

    with pytest.raises(IndexUnavailable):
        closed.count()


def test_a_damaged_index_is_reported_and_not_replaced(open_edge: Opener, tmp_path: Path) -> None:
    open_edge().close()
    (tmp_path / "index" / "points" / "edge_config.json").write_text("{")

    with pytest.raises(IndexUnavailable):
        open_edge()


def test_a_collection_of_an_earlier_layout_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    index = ServerIndex(url=MEMORY, api_key="", dimension=DIMENSION, fingerprint=FINGERPRINT)

    monkeypatch.setattr(server, "LAYOUT", 10_000)
    with pytest.raises(IndexMismatch, match="earlier Muniment"):
        index._prepare(DIMENSION, FINGERPRINT)


@pytest.fixture
def two_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ServerIndex, ServerIndex]]:
    """One server, with the collection that serves and one that is built for another model."""
    shared = QdrantClient(MEMORY)
    monkeypatch.setattr(server, "_client", lambda url, key: shared)
    yield tuple(
        ServerIndex(url=MEMORY, api_key="", dimension=DIMENSION, fingerprint=model)
        for model in (FINGERPRINT, "another model")
    )  # type: ignore[misc]
    shared.close()


def test_another_models_collection_is_built_while_the_first_serves(
    two_models: tuple[ServerIndex, ServerIndex],
) -> None:
    serving, beside = two_models
    serving.upsert([point("fee", version="v1")])

    beside.upsert([point("leave", version="v2")])

    assert (serving.count(), beside.count()) == (1, 1)
    assert serving.versions() != beside.versions()


def test_what_is_removed_is_removed_for_every_model(
    two_models: tuple[ServerIndex, ServerIndex],
) -> None:
    serving, beside = two_models
    first, second = point("fee", version="v1"), point("leave", version="v2")
    for index in two_models:
        index.upsert([first, second])

    serving.remove_version(VersionId("v1"))
    serving.remove_chunks([second.chunk_id])

    assert (serving.count(), beside.count()) == (0, 0)


def test_only_the_collections_of_other_models_are_pruned(
    two_models: tuple[ServerIndex, ServerIndex],
) -> None:
    beside = two_models[1]
    beside.upsert([point("fee", version="v1")])

    assert beside.remove_others() == [f"muniment-{FINGERPRINT[:16]}"]
    assert beside.count() == 1
    assert beside.remove_others() == []


def test_a_server_that_is_away_is_reported() -> None:
    with pytest.raises(IndexUnavailable, match="does not answer"):
        open_index(
            folder=Path("unused"),
            url="http://127.0.0.1:9",
            api_key="",
            dimension=DIMENSION,
            fingerprint=FINGERPRINT,
        )


def test_words_are_matched_by_their_stem() -> None:
    encoder = Bm25Encoder()

    text = encoder.encode_text("The solicitors charged fees")
    question = encoder.encode_question("a solicitor charges the fee")

    assert set(question.weights.indices) == set(text.weights.indices)
    assert set(question.weights.values) == {1.0, PAIR_WEIGHT}


def point(
    text: str,
    *,
    direction: int = 0,
    access_list: AccessListId = STAFF,
    document: str = "d",
    version: str = "v",
    live: bool = True,
    names: str = "",
) -> Point:
    return Point(
        chunk_id=ChunkId(str(uuid.uuid4())),
        document_id=DocumentId(document),
        version_id=VersionId(version),
        access_list=access_list,
        dense=np.eye(DIMENSION, dtype=np.float32)[direction],
        sparse=Bm25Encoder().encode_text(IndexedText(text, names=names)),
        live=live,
    )


def search(
    index: VectorIndex,
    question: str,
    *,
    direction: int = 0,
    access_lists: set[AccessListId] | None = None,
    limit: int = 50,
    documents: set[DocumentId] | None = None,
) -> Rankings:
    return index.rankings(
        dense=np.eye(DIMENSION, dtype=np.float32)[direction],
        sparse=Bm25Encoder().encode_question(question),
        access_lists={STAFF} if access_lists is None else access_lists,
        limit=limit,
        documents=documents,
    )


def ids(found: Rankings) -> set[ChunkId]:
    dense = {scored.chunk_id for scored in found.dense}
    assert dense == {scored.chunk_id for scored in found.sparse}
    return dense
