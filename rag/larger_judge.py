"""The larger judge: slower than the one of `rag.judging` and surer of what nearly answers.

SmolLM2-135M-Instruct, the packaged language model, taught on the same passages. It has read more
than any sentence encoder, so it needs fewer of them. Its file holds only what teaching adds to
the model's matrices, a product of two narrow ones for each (low-rank adaptation, Hu et al. 2021),
and the head; the model itself is prepared by `muniment up`.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from safetensors import SafetensorError
from tokenizers import Tokenizer

from corpus.conversion import converted, hash_of_file, kept_or_made
from rag.errors import JudgeInvalid
from rag.judging import Inputs, Judge, Pair, Weigh, key_of, read_taught

if TYPE_CHECKING:
    import torch

log = logging.getLogger("rag.larger_judge")

TAUGHT = Path(__file__).with_name("judge") / "larger.safetensors"
MATRICES: Final = (
    *(f"self_attn.{name}_proj" for name in ("q", "k", "v", "o")),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)
"""Of each layer: what teaching adds to."""
NARROW: Final = 16
"""Width of the two matrices whose product is added; it was taught so."""
SCALE: Final = 2.0
"""By which their product is multiplied."""
TEXT_TOKENS: Final = 300
ASKED_TOKENS: Final = 160
"""Of the text, and of a question or claim with what stands around it, at most."""
BEGINNING: Final = "<|im_start|>"
"""Every row begins with it, as all that the model has read."""
LOOK_SECONDS: Final = 2.0
"""Between two looks at whether the model has been prepared."""
NOTHING_AHEAD: Final = -1e9
"""Added to the attention on what comes later."""


def load(
    base: Path, *, cache_folder: Path, taught: Path = TAUGHT, threads: int | None = None
) -> Judge:
    """Load the larger judge; its conversion is kept in the cache folder, 0.3 GB.

    Args:
        base: Folder of SmolLM2-135M-Instruct, as `muniment up` prepares it.
        cache_folder: Keeps the converted model; made when missing.
        taught: What `python -m bench teach_larger_judge` wrote.
        threads: How many read texts; None means every core.

    Raises:
        JudgeInvalid: Either is missing or not of this kind.
    """
    try:
        key = key_of(taught, hash_of_file(base / "model.safetensors"))
        kept = cache_folder / f"larger-judge-{key}.xml"
        model = kept_or_made(kept, lambda: converted(build(base, taught)), halved=True)
        own = Asking(Tokenizer.from_file(str(base / "tokenizer.json")))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise JudgeInvalid(
            f"The larger judge cannot be made of {base} and {taught}: {error}. Remove that model's "
            "folder and run `muniment up`, which prepares it anew."
        ) from error
    except Exception as error:  # the tokenizers library has no class of errors of its own
        raise JudgeInvalid(
            f"{base} has no tokenizer that can be read: {error}. Remove that folder and run "
            "`muniment up`, which prepares it anew."
        ) from error
    return Judge(model, own.inputs, threads)


class Asking:
    """Words a text with a question or claim about it as the larger judge was taught to read them.

    Args:
        tokenizer: Of the packaged model.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._first: int = tokenizer.token_to_id(BEGINNING) or 0

    def opening(self, text: str) -> list[int]:
        """Return the tokens of a text, which come first."""
        return [self._first, *self._ids(f"Text: {text}")[:TEXT_TOKENS]]

    def ending(self, asked: str, *, is_question: bool) -> list[int]:
        """Return the tokens of a question or claim, which end where the verdict is read."""
        name, mark = ("Question", "\nAnswered:") if is_question else ("Claim", "\nTrue:")
        ids = self._ids(f"\n{name}: {asked}{mark}")
        if len(ids) <= ASKED_TOKENS:
            return ids
        verdict = self._ids(mark)
        return ids[: ASKED_TOKENS - len(verdict)] + verdict

    def inputs(self, pairs: Sequence[Pair]) -> Inputs:
        """Return the tokens of pairs, filled up to the longest."""
        rows = [
            self.opening(pair.text) + self.ending(pair.said, is_question=pair.is_question)
            for pair in pairs
        ]
        longest = max(map(len, rows))
        ids = np.zeros((len(rows), longest), dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def build(base: Path, taught: Path | None) -> "torch.nn.Module":
    """Return the larger judge in torch, with what it was taught; None means not yet taught.

    Its verdict is read from the last token of each row; what fills a row up comes after it and is
    not seen by it.
    """
    # Imported here because reading a kept conversion needs neither, and they take seconds.
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    decoder = transformers.AutoModel.from_pretrained(
        base, local_files_only=True, dtype=torch.float32
    )

    class Reader(torch.nn.Module):  # type: ignore[misc] # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.decoder = decoder
            self.head = torch.nn.Linear(decoder.config.hidden_size, 3)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            length = input_ids.shape[1]
            ahead = torch.full((length, length), NOTHING_AHEAD).triu(1)
            hidden = self.decoder(
                input_ids=input_ids,
                position_ids=torch.arange(length)[None],
                attention_mask=ahead[None, None],
                use_cache=False,
            ).last_hidden_state
            rows = torch.arange(input_ids.shape[0])
            read: torch.Tensor = self.head(hidden[rows, attention_mask.sum(1) - 1])
            return read

    module = Reader()
    if taught is not None:
        _add(module, read_taught(taught))
    return module.eval()


def _add(module: "torch.nn.Module", taught: "dict[str, torch.Tensor]") -> None:
    """Add what was taught to the matrices.

    Raises:
        KeyError: Something is missing in what was taught.
    """
    import torch  # noqa: PLC0415

    with torch.no_grad():
        module.head.weight.copy_(taught["head.weight"])
        module.head.bias.copy_(taught["head.bias"])
        for number, layer in enumerate(module.decoder.layers):
            for name in MATRICES:
                place = f"layers.{number}.{name}"
                added = taught[f"{place}.B"] @ taught[f"{place}.A"]
                layer.get_submodule(name).weight.add_(added, alpha=SCALE)


class Later:
    """The larger judge from when its model has been prepared, which may be after the start.

    Args:
        is_there: Whether the model is.
        load: Loads the judge; takes seconds.
    """

    def __init__(self, is_there: Callable[[], bool], load: Callable[[], Judge]) -> None:
        self._is_there = is_there
        self._load = load
        self._judge: Judge | None = None

    def weigh(self) -> Weigh | None:
        """Return what weighs pairs, None while there is nothing that does."""
        return self._judge.weigh if self._judge is not None else None

    def now(self) -> Weigh | None:
        """Return what weighs pairs, loaded here when it is first needed and its model is there.

        Raises:
            JudgeInvalid: It cannot be made of that model.
        """
        if self._judge is None and self._is_there():
            self._judge = self._load()
        return self.weigh()

    def wait(self, ended: threading.Event) -> None:
        """Load it as soon as its model is there, unless it all ends before."""
        while not self._is_there():
            if ended.wait(LOOK_SECONDS):
                return
        try:
            self.now()
        except JudgeInvalid as error:
            log.warning("%s Until then questions are judged by the smaller judge alone.", error)
