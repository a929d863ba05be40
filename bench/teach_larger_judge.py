"""Teach the larger judge on the passages of `samples/claims` and print what it can do.

A passage is read once with everything that is asked of it behind it; questions and claims see the
passage and not each other, so that twenty of them cost hardly more than one. Takes an hour on two
cores for each time over the passages, and minutes on a GPU; writes the file that TEACH_OUT names.
"""

import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer

from bench.judge import (
    ANSWERED,
    CLAIMS,
    FALSE,
    OPEN,
    SETS,
    TRUE,
    UNANSWERED,
    Item,
    area,
    console,
    is_held_out,
    items,
)
from muniment.settings import load_settings
from rag.judging import read_taught, write_weights
from rag.larger_judge import MATRICES, NARROW, NOTHING_AHEAD, SCALE, Asking, build
from rag.profiles import read_items

EPOCHS = float(os.environ.get("TEACH_EPOCHS", "1"))
SEED = int(os.environ.get("TEACH_SEED", "1"))
PASSAGES_A_STEP = 2
RATE = 4e-4
WARM_UP = 20
STRANGERS = 3
"""Items of other passages that each passage is also shown: it is silent on them."""
STRANGER: Final = "stranger"
SURELY_ANSWERED = 0.6
"""A stranger that is found borne out with more than this is left out: it may well be."""
VERDICTS: Final = {ANSWERED: 0, TRUE: 0, FALSE: 1, UNANSWERED: 2, OPEN: 2, STRANGER: 2}
FIRST_VERDICTS: Final = (" yes", " no", " unknown")
"""Words of the language model that the head is begun with."""
REPORT_EVERY = 20

Pack = tuple[str, list[Item]]


class Added(torch.nn.Module):  # type: ignore[misc] # torch is untyped here
    """A matrix of the model with what teaching adds to it."""

    def __init__(self, known: torch.nn.Linear) -> None:
        super().__init__()
        self.known = known
        drawn = torch.randn(NARROW, known.in_features) / known.in_features**0.5
        self.A = torch.nn.Parameter(drawn)
        self.B = torch.nn.Parameter(torch.zeros(known.out_features, NARROW))

    def forward(self, read: torch.Tensor) -> torch.Tensor:
        """Return what the matrix makes of its input, with what is added."""
        whole: torch.Tensor = self.known(read) + (read @ self.A.T) @ self.B.T * SCALE
        return whole


def main() -> None:
    """Teach from the packaged model; run it with TEACH_OUT to keep the result."""
    if "TEACH_OUT" not in os.environ:
        console.print("teach_larger_judge: set TEACH_OUT to the file to write; it takes hours.")
        return
    random.seed(SEED)
    torch.manual_seed(SEED)
    base = load_settings().larger_judge_folder()
    if base is None:
        console.print("teach_larger_judge: MUNIMENT_JUDGE_FOLDER names no model.")
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    packs = _packs(list(items(read_items(CLAIMS))))
    taught = [pack for pack in packs if not is_held_out(pack[0])]
    held = [pack for pack in packs if is_held_out(pack[0])]
    module, asking = _untaught(base)
    if "TEACH_FROM" in os.environ:
        _go_on(module, Path(os.environ["TEACH_FROM"]))
    teach(module.to(device), asking, taught, held, device)
    write_added(module.cpu(), Path(os.environ["TEACH_OUT"]))


def _untaught(base: Path) -> tuple[torch.nn.Module, Asking]:
    """Return the model with nothing added yet, its own layers fixed."""
    module = build(base, None)
    own = Tokenizer.from_file(str(base / "tokenizer.json"))
    for weights in module.parameters():
        weights.requires_grad = False
    words = [own.encode(word).ids[0] for word in FIRST_VERDICTS]
    with torch.no_grad():
        module.head.weight.copy_(module.decoder.embed_tokens.weight[words])
        module.head.bias.zero_()
    for weights in module.head.parameters():
        weights.requires_grad = True
    for layer in module.decoder.layers:
        for name in MATRICES:
            part, _, matrix = name.partition(".")
            setattr(layer.get_submodule(part), matrix, Added(layer.get_submodule(name)))
    return module, Asking(own)


def _go_on(module: torch.nn.Module, path: Path) -> None:
    """Begin with what an earlier teaching wrote."""
    known = read_taught(path)
    for name, weights in module.named_parameters():
        if weights.requires_grad:
            weights.data.copy_(known[name.removeprefix("decoder.")])


def teach(
    module: torch.nn.Module,
    asking: Asking,
    taught: Sequence[Pack],
    held: Sequence[Pack],
    device: torch.device,
) -> None:
    """Teach in place, warming up and then slowing down evenly."""
    learning = [weights for weights in module.parameters() if weights.requires_grad]
    optimiser = torch.optim.AdamW(learning, weight_decay=0.01, betas=(0.9, 0.98))
    steps = int(EPOCHS * len(taught) / PASSAGES_A_STEP)
    started, total = time.monotonic(), 0.0
    module.train()
    for step, packs in zip(range(1, steps + 1), _drawn(taught), strict=False):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, step / WARM_UP) * (1 - step / (steps + 1))
        optimiser.zero_grad()
        shown = sum(len(wanted) for _, wanted in packs)
        for pack in packs:
            loss = _loss(module, asking, pack, device) / shown
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        if step % REPORT_EVERY == 0:
            spent = time.monotonic() - started
            console.print(f"{step} of {steps}, {spent:.0f} s: loss {total / REPORT_EVERY:.3f}")
            total = 0.0
    _report(module, asking, held, device)


def _packs(known: Sequence[Item]) -> list[Pack]:
    packs: dict[str, list[Item]] = {}
    for item in known:
        packs.setdefault(item.passage, []).append(item)
    return list(packs.items())


def _drawn(taught: Sequence[Pack]) -> Iterator[list[Pack]]:
    """Yield some passages at a time, over and over, each with strangers among its own."""
    while True:
        order = list(taught)
        random.shuffle(order)
        for start in range(0, len(order) - PASSAGES_A_STEP + 1, PASSAGES_A_STEP):
            yield [
                (passage, _with_strangers(passage, own, taught))
                for passage, own in order[start : start + PASSAGES_A_STEP]
            ]


def _with_strangers(passage: str, own: Sequence[Item], taught: Sequence[Pack]) -> list[Item]:
    others = [random.choice(pack[1]) for pack in random.sample(list(taught), STRANGERS)]  # noqa: S311
    strangers = [Item(other.text, passage, STRANGER) for other in others if other not in own]
    return random.sample([*own, *strangers], len(own) + len(strangers))


def _loss(
    module: torch.nn.Module, asking: Asking, pack: Pack, device: torch.device
) -> torch.Tensor:
    scores = _scores(module, asking, pack, device)
    wanted = torch.tensor([VERDICTS[item.kind] for item in pack[1]], device=device)
    strange = torch.tensor([item.kind == STRANGER for item in pack[1]], device=device)
    counts = ~(strange & (scores.detach().softmax(-1)[:, 0] > SURELY_ANSWERED))
    return torch.nn.functional.cross_entropy(
        scores[counts], wanted[counts], label_smoothing=0.05, reduction="sum"
    )


def _scores(
    module: torch.nn.Module, asking: Asking, pack: Pack, device: torch.device
) -> torch.Tensor:
    """Return three scores for each question and claim of a passage, all read in one go."""
    passage, wanted = pack
    ids = asking.opening(passage)
    length = len(ids)
    places, owners, ends = list(range(length)), [0] * length, []
    for number, item in enumerate(wanted, start=1):
        is_question = item.kind in (ANSWERED, UNANSWERED) or item.text.endswith("?")
        ending = asking.ending(item.text, is_question=is_question)
        ids += ending
        places += range(length, length + len(ending))
        owners += [number] * len(ending)
        ends.append(len(ids) - 1)
    owner = torch.tensor(owners, device=device)
    seen = ((owner[None] == 0) | (owner[:, None] == owner[None])).tril()
    hidden = module.decoder(
        input_ids=torch.tensor([ids], device=device),
        position_ids=torch.tensor([places], device=device),
        attention_mask=torch.where(seen, 0.0, NOTHING_AHEAD)[None, None],
        use_cache=False,
    ).last_hidden_state
    scores: torch.Tensor = module.head(hidden[0, ends])
    return scores


def _report(
    module: torch.nn.Module, asking: Asking, held: Sequence[Pack], device: torch.device
) -> None:
    module.eval()
    found: dict[str, list[float]] = {}
    for pack in held:
        with torch.no_grad():
            likely = _scores(module, asking, pack, device).softmax(-1)[:, 0].tolist()
        for item, each in zip(pack[1], likely, strict=True):
            found.setdefault(item.kind, []).append(each)
    areas = [f"{name} {area(found[first], found[second]):.3f}" for name, first, second in SETS]
    console.print(f"passages not taught: {'; '.join(areas)}")


def write_added(module: torch.nn.Module, path: Path) -> None:
    """Keep what was taught."""
    write_weights(
        {
            name.removeprefix("decoder."): weights.detach()
            for name, weights in module.named_parameters()
            if weights.requires_grad
        },
        path,
    )


if __name__ == "__main__":
    main()
