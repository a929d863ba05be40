"""What a person's search brings, whatever they ask and whatever state the index is in."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from corpus.access import Principal
from corpus.catalog import Catalog, Staged
from corpus.documents import Chunk, OriginalHash, ParsedDocument
from corpus.embedding import Embedder
from corpus.errors import IndexMismatch
from corpus.index import Bm25Encoder, Point, VectorIndex, open_index
from rag.ranking import Watch
from rag.retrieval import Candidate, Retriever

STAFF = frozenset({"staff"})
PARTNERS = frozenset({"partners"})
LEAVE = "Every member of staff has 27 days of annual leave a year."
SECRET = "The annual leave of the directors is 40 days."


@dataclass
class Shelf:
    """A catalog with its index, and what searches them."""

    catalog: Catalog
    index: VectorIndex
    embedder: Embedder
    retriever: Retriever

    def stage(self, text: str, *, groups: frozenset[str] = STAFF) -> Staged:
        source = self.catalog.add_source(
            name=" ".join(sorted(groups))[:20], location=Path("/srv"), groups=groups
        )
        digest = hashlib.sha256(text.encode()).hexdigest()
        return self.catalog.stage_version(
            source_id=source.source_id,
            path=f"{digest}.txt",
            original=OriginalHash(digest),
            media_type="text/plain",
            parsed=ParsedDocument(text, ()),
            chunks=[Chunk(0, 0, len(text))],
            size=len(text),
            modified_ns=0,
        )

    def put(self, staged: Staged, text: str) -> None:
        """Put a version into the index, live there whatever the catalog says."""
        self.index.upsert(
            [
                Point(
                    chunk_id=staged.chunk_ids[0],
                    document_id=staged.document_id,
                    version_id=staged.version_id,
                    access_list=staged.access_list,
                    dense=self.embedder.embed([text])[0],
                    sparse=Bm25Encoder().encode_text(text),
                    live=True,
                )
            ]
        )

    def add(self, text: str, *, groups: frozenset[str] = STAFF) -> None:
        staged = self.stage(text, groups=groups)
        self.put(staged, text)
        self.catalog.publish(staged.version_id)

    def search(
        self, question: str, groups: frozenset[str] = STAFF, *, limit: int = 5
    ) -> list[Candidate]:
        return self.retriever.retrieve(
            question, visible_to=Principal("reader", groups), limit=limit
        )

    def texts(self, question: str, groups: frozenset[str] = STAFF, *, limit: int = 5) -> list[str]:
        return [one.chunk.text for one in self.search(question, groups, limit=limit)]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder.load(cache_folder=tmp_path_factory.mktemp("embedding"))


@pytest.fixture
def shelf(tmp_path: Path, embedder: Embedder) -> Iterator[Shelf]:
    with (
        closing(Catalog.open(f"sqlite:///{tmp_path}/catalog.db")) as catalog,
        closing(opened(tmp_path / "index", embedder, embedder.fingerprint)) as index,
    ):
        retriever = Retriever(
            catalog=catalog, gate=catalog.gate(), index=index, embedder=embedder, bm25=Bm25Encoder()
        )
        yield Shelf(catalog, index, embedder, retriever)


def opened(folder: Path, embedder: Embedder, fingerprint: str) -> VectorIndex:
    return open_index(
        folder=folder, url="", api_key="", dimension=embedder.dimension, fingerprint=fingerprint
    )


@pytest.mark.parametrize(
    "question",
    [
        "",
        " \n\t",
        "leave",
        "the of and to",
        "annual leave " * 8_000,
        "\x00\x01\x07\ufffd\udcff%PDF-1.7",
        "Wie viele Urlaubstage? \u5e74\u6b21 \u0623\u064a\u0627\u0645 annual leave",
        "<b>annual leave</b> & [link](http://x) {{7*7}} ' OR 1=1 --",
    ],
)
def test_whatever_is_asked_brings_only_what_the_asker_may_read(shelf: Shelf, question: str) -> None:
    shelf.add(LEAVE)
    shelf.add(SECRET, groups=PARTNERS)

    assert set(shelf.texts(question)) <= {LEAVE}


@pytest.mark.parametrize("groups", [frozenset(), frozenset({""}), frozenset({"strangers"})])
def test_someone_in_no_group_or_an_unknown_one_finds_nothing(
    shelf: Shelf, groups: frozenset[str]
) -> None:
    shelf.add(LEAVE)

    assert shelf.search("leave", groups) == []


def test_an_access_list_of_five_thousand_entries_admits_its_last_one_and_nobody_else(
    shelf: Shelf,
) -> None:
    shelf.add(LEAVE, groups=frozenset(f"team {number}" for number in range(5_000)))

    assert shelf.texts("leave", frozenset({"team 4999"})) == [LEAVE]
    assert shelf.texts("leave", frozenset({"team 5000"})) == []


def test_someone_in_five_thousand_groups_finds_what_one_of_them_may_read(shelf: Shelf) -> None:
    shelf.add(LEAVE)
    shelf.add(SECRET, groups=PARTNERS)

    groups = STAFF | {f"team {number}" for number in range(5_000)}

    assert shelf.texts("leave", groups) == [LEAVE]


def test_an_empty_index_finds_nothing_and_every_step_is_timed(shelf: Shelf) -> None:
    shelf.catalog.publish(shelf.stage(LEAVE).version_id)
    watch = Watch()

    found = shelf.retriever.retrieve(
        "leave", visible_to=Principal("reader", STAFF), limit=5, watch=watch
    )

    assert found == []
    assert {"rights", "embed", "search", "fuse", "refine", "load"} <= set(watch.steps)


def test_an_index_that_is_being_rebuilt_finds_what_is_in_it_already(shelf: Shelf) -> None:
    shelf.add(LEAVE)
    shelf.catalog.publish(shelf.stage("Leave that is not used is carried over.").version_id)

    assert shelf.texts("leave") == [LEAVE]


def test_what_the_catalog_does_not_hold_as_live_makes_room_for_what_it_does(shelf: Shelf) -> None:
    for number in range(8):
        text = f"leave leave {number}"
        shelf.put(shelf.stage(text), text)
    shelf.add(LEAVE)

    assert shelf.texts("leave", limit=2) == [LEAVE]


def test_an_index_made_by_another_model_is_not_searched(
    shelf: Shelf, tmp_path: Path, embedder: Embedder
) -> None:
    shelf.index.close()

    with pytest.raises(IndexMismatch, match="another embedding model"):
        opened(tmp_path / "index", embedder, "another")
