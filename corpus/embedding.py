"""Texts and questions as unit vectors, by a sentence-transformers model on this machine.

sentence-transformers reads the model. On a CPU its transformer is converted once to OpenVINO,
which runs it several times faster than torch, and kept in the cache folder; later starts read
that and need neither torch nor sentence-transformers, whose import takes seconds.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

import numpy as np
import openvino
import safetensors
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from corpus.conversion import (
    converted,
    hash_of_file,
    inference_precision,
    kept_or_made,
    packaged_model,
)
from corpus.errors import EmbeddingModelInvalid
from corpus.vectors import FloatMatrix, FloatVector

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

BATCH_TEXTS = 32
LATEST_QUESTIONS = 16
WEIGHT_FILES: Final = ("model.safetensors", "pytorch_model.bin")
PIECE_WEIGHTS: Final = ("word_embeddings.weight", "embed_tokens.weight")

_GPU_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True, slots=True)
class _ModelFiles:
    """What the folder of a sentence-transformers model says about it."""

    folder: Path
    transformer: Path
    weights_hash: str
    dimension: int
    pooling: str
    maximum_tokens: int
    module_kinds: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        described = [self.weights_hash, self.dimension, self.pooling, self.maximum_tokens]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()

    @property
    def convertible(self) -> bool:
        """Whether pooling and the rest are steps that this module computes itself."""
        return (
            self.module_kinds
            in {("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize")}
            and self.pooling in {"mean", "cls"}
            and (self.transformer / "tokenizer.json").exists()
        )


class _Engine(Protocol):
    """Runs the model; one for OpenVINO, one for torch."""

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        """Return unit rows for one batch."""

    def encode_question(self, text: str) -> FloatVector:
        """Return the unit vector of one question; never called by two threads at once."""


class Embedder:
    """An embedding model, ready to use from any thread.

    Attributes:
        dimension: Length of the vectors.
        fingerprint: Changes with the weights, pooling, dimension or longest input, and with
            nothing else: vectors of one fingerprint can be compared.
        maximum_tokens: Longer texts are cut off there.
    """

    def __init__(self, files: _ModelFiles, engine: _Engine) -> None:
        self._engine = engine
        self._files = files
        self.dimension = files.dimension
        self.fingerprint = files.fingerprint
        self.maximum_tokens = files.maximum_tokens
        self._questions: dict[bytes, FloatVector] = {}
        self._questions_lock = threading.Lock()

    @classmethod
    def load(
        cls, *, cache_folder: Path, model_folder: Path | None = None, threads: int | None = None
    ) -> "Embedder":
        """Load a model.

        Args:
            cache_folder: Keeps the converted model; made when missing.
            model_folder: A sentence-transformers model; None means all-MiniLM-L6-v2, which
                comes with the installation.
            threads: How many embed texts; None means every core.

        Raises:
            EmbeddingModelInvalid: The folder holds no such model.
        """
        files = _read_model_files(model_folder or packaged_model())
        if _has_gpu() or not files.convertible:
            return cls(files, _TorchEngine(files))
        return cls(files, _OpenVinoEngine(files, cache_folder, threads))

    def embed(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> FloatMatrix:
        """Return float32[len(texts), dimension], rows of unit length, in the order given.

        Args:
            texts: Pass many at once: they are sorted by length, so that batches waste little.
            progress: Called after each batch with the number of texts done so far.
        """
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        longest_first = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        for start in range(0, len(texts), BATCH_TEXTS):
            places = longest_first[start : start + BATCH_TEXTS]
            rows[places] = self._engine.encode([texts[place] for place in places])
            if progress is not None:
                progress(start + len(places))
        return rows

    def tokenizer(self) -> Tokenizer | None:
        """Return what splits texts into the model's pieces, without filling them up or cutting.

        None where it is in Python alone.
        """
        kept = self._files.transformer / "tokenizer.json"
        if not kept.exists():
            return None
        tokenizer = Tokenizer.from_file(str(kept))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    def piece_vectors(self) -> FloatMatrix | None:
        """Return the vectors with which the model begins to read, float32[vocabulary, hidden].

        None where its weights are not kept in the usual way.
        """
        kept = self._files.transformer / "model.safetensors"
        if not kept.exists():
            return None
        with safetensors.safe_open(str(kept), framework="numpy") as weights:
            named = [name for name in weights.keys() if name.endswith(PIECE_WEIGHTS)]  # noqa: SIM118
            return np.asarray(weights.get_tensor(named[0]), dtype=np.float32) if named else None

    def embed_question(self, text: str) -> FloatVector:
        """Return float32[dimension] of unit length, computed on one thread.

        With more threads a short question takes no less time on an idle machine and many
        times as long on a busy one. A question that another thread is embedding is waited for,
        and the latest ones are at hand: the text of none is kept.
        """
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        with self._questions_lock:
            found = self._questions.pop(key, None)
            if found is None:
                found = self._engine.encode_question(text)
                found.setflags(write=False)
            self._questions[key] = found
            if len(self._questions) > LATEST_QUESTIONS:
                del self._questions[next(iter(self._questions))]
        return found


class _OpenVinoEngine:
    """The transformer in OpenVINO; tokenizing, pooling and normalising here."""

    def __init__(self, files: _ModelFiles, cache_folder: Path, threads: int | None) -> None:
        self._tokenizer = _tokenizer(files)
        self._pooling = files.pooling
        model = _converted(files, cache_folder)
        settings = {openvino.properties.hint.inference_precision(): inference_precision()}
        if threads is not None:
            settings[openvino.properties.inference_num_threads()] = threads
        one_thread = {**settings, openvino.properties.inference_num_threads(): 1}
        core = openvino.Core()
        self._texts = core.compile_model(model, "CPU", settings).create_infer_request()
        self._questions = core.compile_model(model, "CPU", one_thread).create_infer_request()
        self._inputs = {name for port in model.inputs for name in port.get_names()}
        self._texts_lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        tokens = self._tokenizer.encode_batch(list(texts))
        with self._texts_lock:
            return self._infer(self._texts, tokens)

    def encode_question(self, text: str) -> FloatVector:
        tokens = self._tokenizer.encode_batch([text])
        return cast("FloatVector", self._infer(self._questions, tokens)[0])

    def _infer(self, request: openvino.InferRequest, tokens: Sequence[Encoding]) -> FloatMatrix:
        mask = np.array([token.attention_mask for token in tokens], dtype=np.int64)
        every_input = {
            "input_ids": np.array([token.ids for token in tokens], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        inputs = {name: every_input[name] for name in self._inputs & every_input.keys()}
        hidden = request.infer(inputs)[0]
        pooled = hidden[:, 0] if self._pooling == "cls" else _mean(hidden, mask)
        return _unit(pooled)


class _TorchEngine:
    """sentence-transformers as it is: on a GPU, or for models with unusual parts."""

    def __init__(self, files: _ModelFiles) -> None:
        self._model = _sentence_transformer(files.folder, device=None)
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> FloatMatrix:
        with self._lock:
            rows = self._model.encode(
                list(texts),
                batch_size=BATCH_TEXTS,
                convert_to_numpy=True,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return np.asarray(rows, dtype=np.float32)

    def encode_question(self, text: str) -> FloatVector:
        return cast("FloatVector", self.encode([text])[0])


def _read_model_files(folder: Path) -> _ModelFiles:
    try:
        modules = _read_list(folder / "modules.json")
        kinds = tuple(str(module["type"]).rpartition(".")[2] for module in modules)
        transformer = folder / _path_of(modules, kinds, "Transformer")
        pooling_folder = folder / _path_of(modules, kinds, "Pooling")
        configuration = _read_json(transformer / "config.json")
        pooling = _read_json(pooling_folder / "config.json")
        limits = _read_json(transformer / "sentence_bert_config.json")
        return _ModelFiles(
            folder=folder,
            transformer=transformer,
            weights_hash=_hash_of_weights(transformer),
            dimension=_number(pooling, "word_embedding_dimension")
            or _number(configuration, "hidden_size"),
            pooling=_pooling_mode(pooling),
            maximum_tokens=_number(limits, "max_seq_length")
            or _number(configuration, "max_position_embeddings"),
            module_kinds=kinds,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EmbeddingModelInvalid(
            f"{folder} holds no sentence-transformers model that can be used ({error}). "
            "Name a folder that has modules.json, config.json, the tokenizer and the weights."
        ) from error


def _path_of(modules: Sequence[dict[str, object]], kinds: Sequence[str], kind: str) -> str:
    if kind not in kinds:
        raise ValueError(f"modules.json names no {kind}")
    return str(modules[kinds.index(kind)]["path"])


def _read_json(path: Path) -> dict[str, object]:
    return cast("dict[str, object]", json.loads(path.read_text(encoding="utf-8")))


def _read_list(path: Path) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", json.loads(path.read_text(encoding="utf-8")))


def _number(configuration: dict[str, object], key: str) -> int:
    value = configuration.get(key) or 0
    if not isinstance(value, int):
        raise ValueError(f"{key} is not a number")  # noqa: TRY004 - the caller names the folder
    return value


def _pooling_mode(configuration: dict[str, object]) -> str:
    """Return "mean", "cls" or the name of something else; two generations of the file differ."""
    named = configuration.get("pooling_mode")
    if isinstance(named, str):
        return named
    chosen = [
        key for key, value in configuration.items() if key.startswith("pooling_mode_") and value
    ]
    short = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    return "+".join(short.get(key, key) for key in chosen)


def _hash_of_weights(folder: Path) -> str:
    for name in WEIGHT_FILES:
        if (folder / name).exists():
            return hash_of_file(folder / name)
    raise ValueError(f"none of {', '.join(WEIGHT_FILES)} is there")


def _has_gpu() -> bool:
    if not _GPU_DRIVER.exists():
        return False
    # Without a driver there is no GPU to find, and torch takes a second to import.
    import torch  # noqa: PLC0415

    return bool(torch.cuda.is_available())


def _tokenizer(files: _ModelFiles) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(files.transformer / "tokenizer.json"))
    configuration = _read_json(files.transformer / "tokenizer_config.json")
    pad = configuration.get("pad_token")
    token = str(pad["content"] if isinstance(pad, dict) else pad or "[PAD]")
    tokenizer.enable_truncation(files.maximum_tokens)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(token) or 0, pad_token=token)
    return tokenizer


def _converted(files: _ModelFiles, cache_folder: Path) -> openvino.Model:
    """Return the transformer for OpenVINO, converting and keeping it the first time."""
    kept = cache_folder / f"embedding-{files.weights_hash}.xml"
    try:
        return kept_or_made(kept, lambda: converted(_transformer(files)))
    except (OSError, RuntimeError) as error:
        raise EmbeddingModelInvalid(
            f"The converted embedding model cannot be kept in {kept.parent}: {error}. "
            "It needs some 100 MB there and the right to write."
        ) from error


def _transformer(files: _ModelFiles) -> "torch.nn.Module":
    module: torch.nn.Module = _sentence_transformer(files.folder, device="cpu")[0].auto_model
    return module


def _sentence_transformer(folder: Path, *, device: str | None) -> "SentenceTransformer":
    import sentence_transformers  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    transformers.utils.logging.disable_progress_bar()
    try:
        return sentence_transformers.SentenceTransformer(
            str(folder), device=device, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise EmbeddingModelInvalid(
            f"{folder} cannot be loaded as a sentence-transformers model: {error}"
        ) from error


def _mean(hidden: FloatMatrix, mask: NDArray[np.int64]) -> FloatMatrix:
    weights = mask[:, :, None].astype(np.float32)
    total = (hidden * weights).sum(axis=1)
    return cast("FloatMatrix", total / np.maximum(weights.sum(axis=1), 1.0))


def _unit(rows: FloatMatrix) -> FloatMatrix:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return cast("FloatMatrix", (rows / np.maximum(lengths, 1e-12)).astype(np.float32))
