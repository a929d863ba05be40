"""Teach the judge on the passages of `samples/claims` and print, as it learns, what it can do.

Takes hours on two cores and minutes on a GPU; writes `rag/judge/taught.safetensors` only when
TEACH_OUT names it. The word vectors stay as they are, so that words not met here keep their
meaning.
"""

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer

from bench.judge import ANSWERED, CLAIMS, FALSE, SETS, TRUE, Item, area, console, is_held_out, items
from corpus.conversion import packaged_model
from rag.judging import build, tokenizer, write_taught
from rag.profiles import read_items

EPOCHS = int(os.environ.get("TEACH_EPOCHS", "3"))
SEED = int(os.environ.get("TEACH_SEED", "1"))
BATCH = 16
RATE, HEAD_RATE = 1e-4, 1e-3
WARM_UP = 40
STRANGERS = 2
"""Items of other passages that each passage is also shown: it is silent on them."""
LABELS: Final = {ANSWERED: 0, TRUE: 0, FALSE: 1}
SILENT: Final = 2


def main() -> None:
    """Teach from the packaged encoder; run it with TEACH_OUT to keep the result."""
    if "TEACH_OUT" not in os.environ:
        console.print("teach_judge: set TEACH_OUT to the file to write; it takes hours on a CPU.")
        return
    random.seed(SEED)
    torch.manual_seed(SEED)
    known = list(items(read_items(CLAIMS)))
    taught = [item for item in known if not is_held_out(item.passage)]
    held = [item for item in known if is_held_out(item.passage)]
    module = build(packaged_model(), None)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.to(device)
    teach(module, taught, held, device)
    write_taught(module.cpu(), Path(os.environ["TEACH_OUT"]))


def teach(
    module: torch.nn.Module, taught: Sequence[Item], held: Sequence[Item], device: torch.device
) -> None:
    """Teach in place, warming up and then slowing down evenly."""
    for name, weights in module.named_parameters():
        weights.requires_grad = ".embeddings." not in name
    head = [weights for name, weights in module.named_parameters() if name.startswith("head.")]
    body = [
        weights
        for name, weights in module.named_parameters()
        if weights.requires_grad and not name.startswith("head.")
    ]
    optimiser = torch.optim.AdamW([{"params": body}, {"params": head}], weight_decay=0.01)
    own = tokenizer(packaged_model())
    steps = EPOCHS * len(_batches(_with_strangers(taught)))
    step = 0
    for epoch in range(EPOCHS):
        module.train()
        for batch in _batches(_with_strangers(taught)):
            step += 1
            pace = min(1.0, step / WARM_UP) * max(0.0, 1 - step / (steps + 1))
            for group, rate in zip(optimiser.param_groups, (RATE, HEAD_RATE), strict=True):
                group["lr"] = rate * pace
            wanted = torch.tensor([LABELS.get(item.kind, SILENT) for item in batch], device=device)
            loss = torch.nn.functional.cross_entropy(
                module(**_inputs(own, batch, device)), wanted, label_smoothing=0.05
            )
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
        _report(module, held, own, device, epoch)


def _with_strangers(taught: Sequence[Item]) -> list[Item]:
    strangers = [
        Item(other.text, passage, "stranger")
        for passage in sorted({item.passage for item in taught})
        for other in random.sample(list(taught), STRANGERS)
        if other.passage != passage
    ]
    return [*taught, *strangers]


def _batches(pairs: list[Item]) -> list[list[Item]]:
    """Return batches of pairs of like length, in random order: little is wasted on filling up."""
    random.shuffle(pairs)
    batches = []
    for start in range(0, len(pairs), 16 * BATCH):
        alike = sorted(pairs[start : start + 16 * BATCH], key=lambda one: len(one.passage))
        batches += [alike[at : at + BATCH] for at in range(0, len(alike), BATCH)]
    random.shuffle(batches)
    return batches


def _inputs(own: Tokenizer, batch: Sequence[Item], device: torch.device) -> dict[str, torch.Tensor]:
    tokens = own.encode_batch([(item.text, item.passage) for item in batch])
    return {
        "input_ids": torch.tensor([token.ids for token in tokens], device=device),
        "attention_mask": torch.tensor([token.attention_mask for token in tokens], device=device),
        "token_type_ids": torch.tensor([token.type_ids for token in tokens], device=device),
    }


def _report(
    module: torch.nn.Module,
    held: Sequence[Item],
    own: Tokenizer,
    device: torch.device,
    epoch: int,
) -> None:
    module.eval()
    with torch.no_grad():
        likely = np.concatenate(
            [
                module(**_inputs(own, batch, device)).softmax(-1)[:, 0].cpu().numpy()
                for batch in _slices(held)
            ]
        )
    kinds = np.array([item.kind for item in held])
    areas = [
        f"{name} {area(list(likely[kinds == first]), list(likely[kinds == second])):.3f}"
        for name, first, second in SETS
    ]
    console.print(f"epoch {epoch + 1} of {EPOCHS}: {'; '.join(areas)}")


def _slices(held: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(held), 4 * BATCH):
        yield held[start : start + 4 * BATCH]


if __name__ == "__main__":
    main()
