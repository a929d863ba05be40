"""What documents ask of themselves, and when what is learned from it is kept."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from corpus.access import UncheckedChunk
from corpus.documents import Chunk, ChunkId, DocumentId, VersionId
from rag.adapting import (
    Lesson,
    SelfQuestion,
    adapted,
    forget,
    keep,
    learn,
    self_questions,
)
from rag.errors import AdaptationInvalid
from rag.fusion import DEFAULT, Weights

CITING = "A client's money is kept apart from the firm's own, as Rule 7.1 of these rules provides."
CITED = "7.1 Every account is named after the client and opened with a bank."
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def chunk(number: int, text: str, *path: str) -> UncheckedChunk:
    return UncheckedChunk(
        chunk_id=ChunkId(f"c{number}"),
        document_id=DocumentId("d"),
        version_id=VersionId("v"),
        version_number=1,
        title="Client money",
        path="money.pdf",
        source_name="policies",
        chunk=Chunk(number, 0, len(text), path, None, "", ""),
        text=text,
    )


def test_a_sentence_asks_for_the_rule_it_refers_to_and_does_not_name_it() -> None:
    asked = self_questions(iter([[chunk(0, CITING), chunk(1, CITED)]]))

    assert [(one.own, sorted(one.wanted)) for one in asked] == [(ChunkId("c0"), [ChunkId("c1")])]
    assert "7.1" not in asked[0].text
    assert "kept apart" in asked[0].text


def test_a_passage_asks_for_its_neighbours_in_the_section() -> None:
    text = "Complaints from retail clients are answered within eight weeks of their arrival."
    chunks = [chunk(number, f"{text} {number}", "Complaints") for number in range(3)]

    asked = self_questions(iter([chunks]))

    beside = [ChunkId("c0"), ChunkId("c2")]
    assert [(one.own, sorted(one.wanted)) for one in asked] == [(ChunkId("c1"), beside)]


def test_documents_without_sections_ask_nothing() -> None:
    assert self_questions(iter([[chunk(0, "Yes."), chunk(1, "")], []])) == []


def questions(count: int) -> list[SelfQuestion]:
    return [
        SelfQuestion(str(number), ChunkId("own"), frozenset({ChunkId("wanted")}))
        for number in range(count)
    ]


def finds_with(good: Weights, *, otherwise: float) -> Lesson:
    chance = np.random.default_rng(5)

    def rank(weights: Weights, text: str) -> Sequence[ChunkId]:
        assert weights.reference == 0
        found = (weights.dense, weights.closeness) == (good.dense, good.closeness)
        first = found or chance.random() < otherwise
        return [ChunkId(key) for key in ("own", *(("wanted", text) if first else (text,)))]

    return learn(questions(120), rank)


def test_what_finds_more_on_the_other_half_is_better() -> None:
    lesson = finds_with(replace(DEFAULT, dense=0.6), otherwise=0.3)

    assert lesson.weights.dense == 0.6
    assert lesson.is_better
    assert lesson.after.mean == 1.0
    assert lesson.gain.mean == pytest.approx(lesson.after.mean - lesson.before.mean)


def test_what_is_best_by_chance_is_not_better() -> None:
    assert not finds_with(DEFAULT, otherwise=1.0).is_better


def test_what_was_kept_counts_for_the_model_it_was_learned_with_until_it_is_undone(
    tmp_path: Path,
) -> None:
    file = tmp_path / "adaptation.json"
    lesson = finds_with(replace(DEFAULT, dense=0.6), otherwise=0.3)

    keep(file, lesson, fingerprint="model", at=NOON)

    assert adapted(file, fingerprint="model") == lesson.weights
    assert adapted(file, fingerprint="another") == DEFAULT
    forget(file)
    assert adapted(file, fingerprint="model") == DEFAULT


@pytest.mark.parametrize(
    "said",
    ["", "{}", '{"dense": "much", "closeness": 0, "fingerprint": "model"}',
     json.dumps({"dense": 7, "closeness": 0.2, "fingerprint": "model"})],
)  # fmt: skip
def test_a_file_that_says_something_else_is_reported_with_its_remedy(
    tmp_path: Path, said: str
) -> None:
    file = tmp_path / "adaptation.json"
    file.write_text(said)

    with pytest.raises(AdaptationInvalid, match="muniment adapt --undo"):
        adapted(file, fingerprint="model")
