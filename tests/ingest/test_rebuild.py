from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from corpus.errors import IndexUnavailable
from corpus.index import VectorIndex, open_index
from corpus.index.beside import folder_beside, mark_complete, take_place
from corpus.vectors import FloatMatrix
from tests.ingest.test_pipeline import Desk, desk, embedder

__all__ = ["desk", "embedder"]

OTHER = "another model"


@dataclass
class OtherModel:
    """The same model turned round: other vectors, another fingerprint."""

    desk: Desk
    texts: int = 0
    fingerprint: str = OTHER

    @property
    def dimension(self) -> int:
        return self.desk.embedder.dimension

    def embed(self, texts: list[str]) -> FloatMatrix:
        self.texts += len(texts)
        return np.ascontiguousarray(self.desk.embedder.embed(texts)[:, ::-1])


def open_beside(desk: Desk, folder: Path) -> VectorIndex:
    return open_index(
        folder=folder_beside(folder),
        url="",
        api_key="",
        dimension=desk.embedder.dimension,
        fingerprint=OTHER,
    )


def test_a_new_index_is_built_beside_goes_on_when_cut_short_and_takes_the_old_ones_place(
    desk: Desk, tmp_path: Path
) -> None:
    for number in range(4):
        (desk.folder / f"{number}.txt").write_text(f"Rule {number} is read aloud in May.")
    desk.run()
    model, folder = OtherModel(desk), tmp_path / "index"
    live = {one.version_id for one in desk.catalog.live_versions()}

    looks = iter([False, False, True])
    beside = open_beside(desk, folder)
    desk.pipeline(index=beside, embedder=model).compare_index(stop=lambda: next(looks))
    partly = beside.versions()
    beside.close()
    beside = open_beside(desk, folder)
    desk.pipeline(index=beside, embedder=model).compare_index()
    still_served = desk.found("Which rule is read aloud?")
    beside.close()
    mark_complete(folder)
    with pytest.raises(IndexUnavailable, match="takes its place when Muniment is started again"):
        take_place(folder, OTHER)
    desk.index.close()
    taken = take_place(folder, OTHER)

    assert len(partly) == 2
    assert model.texts == 4
    assert len(still_served) == 4
    assert taken
    assert not folder_beside(folder).exists()
    index = open_index(
        folder=folder,
        url="",
        api_key="",
        dimension=desk.embedder.dimension,
        fingerprint=OTHER,
    )
    assert index.versions(live=True) == live
    index.close()


def test_an_index_that_is_not_complete_does_not_take_the_place(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    open_beside(desk, folder).close()

    assert not take_place(folder, OTHER)
    mark_complete(folder)
    assert not take_place(folder, "a third model")


def test_a_swap_cut_short_between_its_two_steps_is_ended(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    open_beside(desk, folder).close()
    mark_complete(folder)
    desk.index.close()
    folder.rename(tmp_path / "index.old")

    assert take_place(folder, OTHER)
    assert folder.exists()
    assert not (tmp_path / "index.old").exists()
