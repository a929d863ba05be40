"""How near embedding comes to what this machine can multiply.

    python -m bench embedding

The peak is the best of numpy, torch and OpenVINO at the encoder's own shapes, on as many threads
as the encoder uses; both are counted in multiplications and additions per CPU second, so that
other programs on the machine do not change the ratio much. Padding and tokenizing count as cost
and not as work.
"""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import openvino
from openvino import opset13
from rich.console import Console
from rich.table import Table

from bench.parsing import data_files
from corpus.conversion import inference_precision
from corpus.embedding import Embedder
from ingest.chunking import cut, search_text
from ingest.errors import Quarantined
from ingest.parsers import pdf
from ingest.settings import Limits

TEXTS = 160
ROUNDS = 2
SHAPES = ((6_400, 384, 1_536), (4_096, 1_024, 1_024), (2_048, 2_048, 2_048))
"""Rows, depth and columns: the encoder's widest layer, and two that suit libraries."""
SECONDS = 0.3


def main() -> None:
    """Print the peak and the encoder's share of it, on one thread and on two."""
    console = Console(width=110)
    texts = _texts()
    table = Table(title=f"{len(texts)} chunks, billions of operations per CPU second")
    for name in (
        "threads",
        "peak",
        "by",
        "embedding",
        "share of the peak",
        "chunks per CPU second",
    ):
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        for threads in (1, 2):
            peak, library = _peak(threads)
            embedder = Embedder.load(cache_folder=Path(folder), threads=threads)
            work = _operations(embedder, texts)
            embedder.embed(texts[:32])
            seconds = min(_cpu(partial(embedder.embed, texts)) for _ in range(ROUNDS))
            rate = work / seconds / 1e9
            table.add_row(
                str(threads), f"{peak:.1f}", library, f"{rate:.1f}", f"{rate / peak:.0%}",
                f"{len(texts) / seconds:.1f}",
            )  # fmt: skip
    console.print(table)
    console.print(f"precision {inference_precision()}, load average {os.getloadavg()[0]:.1f}")


def _texts() -> list[str]:
    """Return what would be embedded of the chunks of a few PDFs, evenly spread."""
    found: list[str] = []
    for file in data_files():
        try:
            parsed = pdf.parse(file, Limits(ocr="off"))
        except Quarantined:
            continue
        for chunk in cut(parsed):
            text = parsed.text[chunk.start : chunk.end]
            found.append(search_text(parsed.title, chunk, text))
        if len(found) > 4 * TEXTS:
            break
    return found[:: max(1, len(found) // TEXTS)][:TEXTS]


def _operations(embedder: Embedder, texts: list[str]) -> float:
    """Return multiplications and additions that the texts need: their own pieces, no padding."""
    tokenizer = embedder.tokenizer()
    if tokenizer is None:
        raise SystemExit("This model's pieces cannot be counted: it has no tokenizer.json.")
    lengths = [
        min(len(encoded.ids), embedder.maximum_tokens) for encoded in tokenizer.encode_batch(texts)
    ]
    wide, deep = embedder.dimension, 6
    weights = sum(lengths) * deep * 24 * wide**2
    attention = sum(length**2 for length in lengths) * deep * 4 * wide
    return float(weights + attention)


def _cpu(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def _peak(threads: int) -> tuple[float, str]:
    """Return the best rate of any library at any shape, and whose it is."""
    rates = []
    for rows, inner, columns in SHAPES:
        operations = 2 * rows * inner * columns / 1e9
        for name, make in (("numpy", _numpy), ("torch", _torch), ("OpenVINO", _openvino)):
            run = make(rows, inner, columns, threads)
            run()
            rates.append((max(_rate(run, operations) for _ in range(ROUNDS)), name))
    return max(rates)


def _rate(run: Callable[[], object], operations: float) -> float:
    count, started = 0, time.process_time()
    while time.process_time() - started < SECONDS:
        run()
        count += 1
    return operations * count / (time.process_time() - started)


def _matrices(rows: int, inner: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(1)
    left = chance.standard_normal((rows, inner), dtype=np.float32)
    return left, chance.standard_normal((inner, columns), dtype=np.float32)


def _numpy(rows: int, inner: int, columns: int, threads: int) -> Callable[[], object]:
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    left, right = _matrices(rows, inner, columns)

    def run() -> object:
        with threadpool_limits(threads):
            return left @ right

    return run


def _torch(rows: int, inner: int, columns: int, threads: int) -> Callable[[], object]:
    import torch  # noqa: PLC0415

    left, right = map(torch.from_numpy, _matrices(rows, inner, columns))

    def run() -> object:
        torch.set_num_threads(threads)
        return left @ right

    return run


def _openvino(rows: int, inner: int, columns: int, threads: int) -> Callable[[], object]:
    left, right = _matrices(rows, inner, columns)
    given = opset13.parameter([rows, inner], np.float32)
    product = opset13.matmul(given, opset13.constant(right), transpose_a=False, transpose_b=False)
    settings = {
        openvino.properties.hint.inference_precision(): inference_precision(),
        openvino.properties.inference_num_threads(): threads,
    }
    model = openvino.Model([product], [given], "product")
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(left))

    def run() -> object:
        return request.infer()

    return run
