"""Read a text and a question or a claim together, and say whether the text bears it out.

A sentence encoder reads the two apart and can only tell that they speak of the same thing; a
cross-encoder reads them together and can tell that a date is asked for and none is given. Ours is
all-MiniLM-L6-v2 taught on `samples/claims` (`python -m bench teach_judge`). Its file holds what was
taught, the layers and the head; the word vectors are those of the packaged encoder.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import openvino
from safetensors import SafetensorError
from tokenizers import Tokenizer

from corpus.conversion import (
    converted,
    hash_of_file,
    inference_precision,
    kept_or_made,
    packaged_model,
)
from corpus.vectors import FloatMatrix
from rag.errors import JudgeInvalid

if TYPE_CHECKING:
    import torch

TAUGHT = Path(__file__).with_name("judge") / "taught.safetensors"
MAXIMUM_TOKENS = 256
"""Of question or claim and text together; more of the text is cut off. It was taught so."""
BATCH = 16
HEAD: Final = "head.weight"
SCALE: Final = ".scale"
"""A matrix kept in 8 bits has its rows' scales beside it, under its name with this ending."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a text has to say to a question or a claim; the three add up to 1.

    Attributes:
        bears_out: It answers the question, or states the claim.
        contradicts: It states the opposite of the claim.
        is_silent: Neither follows from it.
    """

    bears_out: float
    contradicts: float
    is_silent: float


class Pair(NamedTuple):
    """What is asked or claimed, and a text that may answer or bear it out.

    Attributes:
        said: The question or request, or the claim.
        text: What it is held against.
        is_question: Which of the two it is; its wording does not always tell.
    """

    said: str
    text: str
    is_question: bool


Weigh = Callable[[Sequence[Pair]], list[Verdict]]
"""Pairs to a verdict on each."""
Inputs = dict[str, npt.NDArray[np.int64]]
"""What a model reads, by the names it gives them, int64[pairs, tokens] each."""
Encode = Callable[[Sequence[Pair]], Inputs]
"""Pairs to what a model reads."""


class Judge:
    """A model that reads pairs, ready to use from any thread.

    Args:
        model: Gives three scores for each pair.
        encode: Makes of pairs what the model reads.
        threads: How many read texts; None means every core.
    """

    def __init__(self, model: openvino.Model, encode: Encode, threads: int | None) -> None:
        settings = {openvino.properties.hint.inference_precision(): inference_precision()}
        if threads is not None:
            settings[openvino.properties.inference_num_threads()] = threads
        self._request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
        self._encode = encode
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls, *, cache_folder: Path, taught: Path = TAUGHT, threads: int | None = None
    ) -> "Judge":
        """Load the judge; its conversion is kept in the cache folder, for torch takes seconds.

        Args:
            cache_folder: Keeps the converted model; made when missing.
            taught: What `python -m bench teach_judge` wrote.
            threads: How many read texts; None means every core.

        Raises:
            JudgeInvalid: The file is missing or not of this kind.
        """
        base = packaged_model()
        try:
            key = key_of(taught, hash_of_file(base / "model.safetensors"))
            kept = cache_folder / f"judge-{key}.xml"
            model = kept_or_made(kept, lambda: converted(build(base, taught)))
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise JudgeInvalid(
                f"The judge in {taught} cannot be loaded: {error}. Install Muniment anew."
            ) from error
        return cls(model, _encoding(tokenizer(base)), threads)

    def weigh(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Return a verdict on each pair, in their order."""
        rows = np.zeros((len(pairs), 3), dtype=np.float32)
        longest_first = sorted(range(len(pairs)), key=lambda place: -_length(pairs[place]))
        for start in range(0, len(pairs), BATCH):
            places = longest_first[start : start + BATCH]
            rows[places] = self._infer([pairs[place] for place in places])
        return [Verdict(*(float(value) for value in row)) for row in rows]

    def _infer(self, pairs: Sequence[Pair]) -> FloatMatrix:
        inputs = self._encode(pairs)
        with self._lock:
            scores = np.array(self._request.infer(inputs)[0], dtype=np.float32)
        likely = np.exp(scores - scores.max(axis=1, keepdims=True))
        return cast("FloatMatrix", likely / likely.sum(axis=1, keepdims=True))


def build(base: Path, taught: Path | None) -> "torch.nn.Module":
    """Return the cross-encoder in torch, with what it was taught; None means not yet taught.

    Its head reads the first token beside the mean of all: the packaged encoder was trained to
    put what a text means into the mean.
    """
    # Imported here because reading a kept conversion needs neither, and they take seconds.
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    transformers.utils.logging.disable_progress_bar()
    encoder = transformers.AutoModel.from_pretrained(base, local_files_only=True)

    class CrossEncoder(torch.nn.Module):  # type: ignore[misc] # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.head = torch.nn.Linear(2 * encoder.config.hidden_size, 3)
            self.dropout = torch.nn.Dropout(0.1)

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            token_type_ids: torch.Tensor,
        ) -> torch.Tensor:
            hidden = self.encoder(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weights).sum(1) / weights.sum(1)
            read: torch.Tensor = self.head(self.dropout(torch.cat([hidden[:, 0], mean], 1)))
            return read

    module = CrossEncoder()
    if taught is not None:
        module.load_state_dict({**module.state_dict(), **read_taught(taught)})
    return module.eval()


def read_taught(path: Path) -> "dict[str, torch.Tensor]":
    """Return what was taught, float32, by the names of the layers."""
    import safetensors.torch  # noqa: PLC0415

    raw = safetensors.torch.load_file(path)
    taught = {}
    for name, weights in raw.items():
        if name + SCALE in raw:
            taught[name] = weights.float() * raw[name + SCALE].float()
        elif not name.endswith(SCALE):
            taught[name] = weights.float()
    return taught


def write_taught(module: "torch.nn.Module", path: Path) -> None:
    """Keep the layers and the head; not the word vectors, which are those of the encoder."""
    own = {
        name: weights
        for name, weights in module.state_dict().items()
        if ".embeddings." not in name and ".pooler." not in name
    }
    write_weights(own, path)


def write_weights(named: "Mapping[str, torch.Tensor]", path: Path) -> None:
    """Keep matrices in 8 bits with a scale a row, the head and the rest in 16."""
    import safetensors.torch  # noqa: PLC0415
    import torch  # noqa: PLC0415

    kept: dict[str, torch.Tensor] = {}
    for name, weights in named.items():
        if weights.ndim == 2 and name != HEAD:
            scale = weights.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
            kept[name] = (weights / scale).round().to(torch.int8)
            kept[name + SCALE] = scale.float()
        else:
            kept[name] = weights.half()
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(kept, path)


def key_of(taught: Path, base_sha256: str) -> str:
    """Return what tells a conversion from others: what was taught, and to which model."""
    both = hash_of_file(taught) + base_sha256
    return hashlib.sha256(both.encode()).hexdigest()[:32]


def _length(pair: Pair) -> int:
    return len(pair.said) + len(pair.text)


def _encoding(own: Tokenizer) -> Encode:
    def encode(pairs: Sequence[Pair]) -> Inputs:
        tokens = own.encode_batch([(pair.said, pair.text) for pair in pairs])
        return {
            "input_ids": np.array([token.ids for token in tokens], dtype=np.int64),
            "attention_mask": np.array([token.attention_mask for token in tokens], dtype=np.int64),
            "token_type_ids": np.array([token.type_ids for token in tokens], dtype=np.int64),
        }

    return encode


def tokenizer(base: Path) -> Tokenizer:
    """Return the tokenizer of a model's folder, cutting the text and never the question."""
    known: Tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    known.enable_truncation(MAXIMUM_TOKENS, strategy="only_second")
    known.enable_padding()
    return known
