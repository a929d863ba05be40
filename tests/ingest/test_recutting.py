from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from corpus.catalog import Catalog
from corpus.documents import VersionId
from corpus.kept_vectors import KeptVectors
from corpus.vectors import FloatMatrix
from ingest.erasing import Eraser
from ingest.pipeline import Pipeline
from ingest.recutting import Recutter
from ingest.settings import IngestSettings
from tests.ingest.test_pipeline import Desk, desk, embedder

__all__ = ["desk", "embedder"]

NOTE = "# Leave\n\n" + "\n\n".join(
    f"Rule {number}. A request of kind {number} is made in writing to the office of the registrar, "
    "who answers it within ten days and keeps a copy of the answer for as long as it binds."
    for number in range(12)
)


@dataclass
class Counted:
    """An embedder that says how many texts it was given."""

    desk: Desk
    texts: int = 0

    @property
    def fingerprint(self) -> str:
        return self.desk.embedder.fingerprint

    @property
    def dimension(self) -> int:
        return self.desk.embedder.dimension

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        self.texts += len(texts)
        return self.desk.embedder.embed(texts)


def pipeline_of(desk: Desk, vectors: KeptVectors, *, words: int) -> Pipeline:
    settings = IngestSettings(parse_seconds=60, ocr="off", readers=1, chunk_words=words)
    return desk.pipeline(vectors=vectors, settings=settings)


def texts_of(catalog: Catalog, version_id: VersionId, *, past: bool = False) -> list[str]:
    return [one.text for one in catalog.chunks_of(version_id, past=past)]


def bring_in(desk: Desk, vectors: KeptVectors) -> VersionId:
    (desk.folder / "leave.md").write_text(NOTE)
    (desk.folder / "short.txt").write_text("The kettle is descaled on Fridays.")
    desk.run(pipeline_of(desk, vectors, words=130))
    return next(one.version_id for one in desk.catalog.live_versions() if one.path == "leave.md")


def test_other_lengths_cut_what_is_kept_anew_and_embed_only_other_text(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(desk)
    vectors = KeptVectors(counted, tmp_path / "vectors.db")  # type: ignore[arg-type]
    version_id = bring_in(desk, vectors)
    before, embedded = texts_of(desk.catalog, version_id), counted.texts
    monkeypatch.setattr("ingest.jail.Jail.parse", None)

    looked_at = Recutter(pipeline_of(desk, vectors, words=40)).work(most=10)
    again = Recutter(pipeline_of(desk, vectors, words=40)).work(most=10)

    after = texts_of(desk.catalog, version_id)
    assert (looked_at, again) == (2, 0)
    assert len(after) > len(before)
    assert counted.texts == embedded + len(set(after) - set(before))
    assert desk.index.count() == len(after) + 1
    assert desk.index.versions(live=True) == {
        one.version_id for one in desk.catalog.live_versions()
    }
    assert desk.found("Who keeps a copy of the answer?")[0] == "leave.md"
    vectors.close()


def test_chunks_that_were_replaced_stay_readable_to_the_record(desk: Desk, tmp_path: Path) -> None:
    vectors = KeptVectors(desk.embedder, tmp_path / "vectors.db")
    version_id = bring_in(desk, vectors)
    before = {one.chunk_id: one.text for one in desk.catalog.chunks_of(version_id)}

    Recutter(pipeline_of(desk, vectors, words=40)).work(most=10)

    past = {one.chunk_id: one.text for one in desk.catalog.chunks_of(version_id, past=True)}
    now = {one.chunk_id for one in desk.catalog.chunks_of(version_id)}
    assert past == before
    assert now.isdisjoint(past)
    assert desk.catalog.load_chunks(list(past)) == []
    vectors.close()


def test_the_same_text_cut_there_and_back_is_as_it_was(desk: Desk, tmp_path: Path) -> None:
    vectors = KeptVectors(desk.embedder, tmp_path / "vectors.db")
    version_id = bring_in(desk, vectors)
    before = texts_of(desk.catalog, version_id)

    for words in (40, 130, 40, 130):
        Recutter(pipeline_of(desk, vectors, words=words)).work(most=10)

    assert texts_of(desk.catalog, version_id) == before
    assert desk.index.count() == len(before) + 1
    vectors.close()


@pytest.mark.parametrize("then", [40, 130])
@pytest.mark.parametrize("cut_at", ["put_in", "recut", "remove_chunks"])
def test_cutting_anew_that_is_cut_short_goes_on_or_back(
    cut_at: str, then: int, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = KeptVectors(desk.embedder, tmp_path / "vectors.db")
    version_id = bring_in(desk, vectors)
    pipeline = pipeline_of(desk, vectors, words=40)
    owner = {"put_in": pipeline, "recut": desk.catalog, "remove_chunks": desk.index}[cut_at]
    done = getattr(owner, cut_at)

    def cut_short(*given: object, **named: object) -> None:
        done(*given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, cut_at, cut_short)
    with pytest.raises(KeyboardInterrupt):
        Recutter(pipeline).work(most=10)
    monkeypatch.setattr(owner, cut_at, done)

    pipeline_of(desk, vectors, words=then).recover()
    Recutter(pipeline_of(desk, vectors, words=then)).work(most=10)

    assert desk.index.count() == len(desk.catalog.chunks_of(version_id)) + 1
    assert desk.found("Who keeps a copy of the answer?")[0] == "leave.md"
    assert desk.catalog.count_cut_otherwise(f"1:{then}:{'58:12' if then == 40 else '190:40'}") == 0
    vectors.close()


def test_what_was_cut_anew_is_erased_with_what_it_was_before(desk: Desk, tmp_path: Path) -> None:
    vectors = KeptVectors(desk.embedder, tmp_path / "vectors.db")
    version_id = bring_in(desk, vectors)
    pipeline = pipeline_of(desk, vectors, words=40)
    Recutter(pipeline).work(most=10)
    known = desk.catalog.known_files(desk.source_id)["leave.md"]
    assert known.document_id is not None

    desk.catalog.ask_erasure(known.document_id, by="operator", ground="term over")
    Eraser(pipeline).work()

    places = desk.catalog.erasure(known.document_id).places
    assert all(left == 0 for _, left in places.values())
    assert b"registrar" not in (tmp_path / "catalog.db").read_bytes()
    assert version_id not in desk.index.versions()
    vectors.close()
