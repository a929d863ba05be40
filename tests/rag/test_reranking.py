"""A cross-encoder of the site's own, made here with random weights."""

from pathlib import Path

import pytest

from rag.errors import RerankerInvalid
from rag.reranking import Reranker

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] annual leave is 27 days mileage pence".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    made = tmp_path_factory.mktemp("cross-encoder")
    vocabulary = made / "vocab.txt"
    vocabulary.write_text("\n".join(VOCABULARY))
    torch.manual_seed(0)
    configuration = transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=1,
    )
    transformers.BertForSequenceClassification(configuration).save_pretrained(made)
    transformers.BertTokenizerFast(vocab=str(vocabulary)).save_pretrained(made)
    return made


def test_candidates_are_scored_from_nought_to_one(folder: Path) -> None:
    scores = Reranker(folder).scores("annual leave", ["27 days", "mileage pence", "leave is"])

    assert len(scores) == 3
    assert (min(scores), max(scores)) == (0.0, 1.0)


def test_nothing_to_score_is_no_error(folder: Path) -> None:
    assert Reranker(folder).scores("annual leave", []) == []


def test_a_folder_without_a_model_is_refused_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(RerankerInvalid, match="MUNIMENT_RERANKER_FOLDER"):
        Reranker(tmp_path)
