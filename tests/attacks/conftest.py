from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus.embedding import Embedder
from tests.attacks.world import RememberingEmbedder, World


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return RememberingEmbedder(Embedder.load(cache_folder=tmp_path_factory.mktemp("embedding")))


@pytest.fixture
def world(tmp_path: Path, embedder: Embedder) -> Iterator[World]:
    made = World(tmp_path, embedder)
    yield made
    made.close()
