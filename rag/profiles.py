"""What a model is fit for, as measured: to name its sources, to keep to a form, to judge.

The application cites, checks and refuses by itself, whatever the model. What a model may do
beyond wording is its profile, and a profile is deserved by questions whose answers are known, not
by a name: `muniment model probe` puts them.
"""

import json
import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rag.errors import ModelUnavailable
from rag.generation import Message, ModelServer
from rag.judging import Pair, Verdict, Weigh

AUTO: Final = "auto"
FIT_SHARE: Final = 0.8
"""Part of the answers that must be right for a model to cite or to keep to a form."""
FIT_AREA: Final = 0.9
"""Area under the curve that a judge must reach: how often what a passage bears out scores above
what it does not."""
MARKS: Final = "+-ECN"
"""What a line of `samples/claims` begins with: answered, unanswered, true, false, open."""
SEED: Final = 20
DISTRACTORS: Final = 2
REPLY_TOKENS: Final = 96

CITING = (
    "Answer the question from the numbered passages in one sentence, and end it with the number "
    "of the passage it rests on in square brackets, such as [2]."
)
FORMED = (
    "Answer the question from the numbered passages as JSON with the fields answer (a sentence) "
    "and passage (the number of the passage it rests on)."
)
FORM: Final[Mapping[str, object]] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "passage": {"type": "integer"}},
    "required": ["answer", "passage"],
    "additionalProperties": False,
}
JUDGING = (
    "You are given a passage and a statement. Say yes if the passage states it or it follows from "
    "the passage, no if the passage states otherwise, unknown if the passage does not say."
)
JUDGING_ANSWERS = (
    "You are given a passage and a question. Say yes if the passage answers the question, unknown "
    "if it does not."
)
YES, NO, UNKNOWN = "yes", "no", "unknown"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a model may do beyond wording.

    Attributes:
        cites: Names the passage that a sentence rests on.
        keeps_form: Answers in a JSON form that it is given.
        judges: Tells whether a passage bears out a claim.
        rewords: Says a follow-up as a question that stands alone.
    """

    cites: bool = False
    keeps_form: bool = False
    judges: bool = False
    rewords: bool = False


NAMES: Final[Mapping[str, str]] = {
    "cites": "cites", "form": "keeps_form", "judge": "judges", "reword": "rewords"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """A passage with what is known of it.

    Attributes:
        text: The passage.
        answered: Questions that it answers.
        unanswered: Questions that it does not answer.
        true: Claims that it bears out.
        false: Claims that it contradicts.
        open: Claims that it says nothing about.
    """

    text: str
    answered: tuple[str, ...]
    unanswered: tuple[str, ...]
    true: tuple[str, ...]
    false: tuple[str, ...]
    open: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was measured of one ability.

    Attributes:
        ability: One of `NAMES`.
        value: Share of right answers, or an area; 0 to 1.
        wanted: What it must reach.
        tried: How many questions were put.
        why: In words.
    """

    ability: str
    value: float
    wanted: float
    tried: int
    why: str

    @property
    def fit(self) -> bool:
        """Say whether it is reached."""
        return self.value >= self.wanted


def profile_named(names: str) -> Profile:
    """Return the profile of a list of abilities, such as "cites,judge"; "none" for none.

    Raises:
        ValueError: A name that there is not.
    """
    listed = [name.strip() for name in names.split(",") if name.strip() not in {"", "none"}]
    if unknown := sorted(set(listed) - NAMES.keys()):
        raise ValueError(f"a model's profile knows no {unknown[0]!r}, only {', '.join(NAMES)}")
    return Profile(**{NAMES[name]: True for name in listed})


def kept_profile(path: Path, model: str) -> Profile:
    """Return what the last probe found of a model; the empty profile where there was none."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return Profile(**known["profile"]) if known["model"] == model else Profile()
    except (OSError, ValueError, KeyError, TypeError):
        return Profile()


def keep_profile(path: Path, model: str, findings: Sequence[Finding]) -> Profile:
    """Keep what a probe found of a model, and return the profile that it deserves."""
    profile = Profile(**{NAMES[found.ability]: found.fit for found in findings})
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "model": model,
        "profile": asdict(profile),
        "findings": [asdict(found) for found in findings],
    }
    path.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return profile


def read_items(folder: Path) -> list[Item]:
    """Return the passages of a folder in the form of `samples/claims`."""
    return [
        _item(part)
        for path in sorted(folder.glob("*.txt"))
        for part in re.split(r"^P:", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    ]


def _item(part: str) -> Item:
    text, *rest = part.strip().splitlines()
    marked: dict[str, list[str]] = {mark: [] for mark in MARKS}
    for line in filter(None, rest):
        marked[line[0]].append(line[1:].lstrip(":").strip())
    return Item(text, *(tuple(marked[mark]) for mark in MARKS))


def probe(
    model: ModelServer,
    items: Sequence[Item],
    *,
    questions: int,
    progress: Callable[[str], None],
) -> list[Finding]:
    """Put questions to a model and return what it deserves, and why.

    Args:
        model: It must be running.
        items: Passages with what is known of them.
        questions: For each ability; the judge is asked four times as many.
        progress: Told which ability is next.

    Raises:
        ModelUnavailable: It went away.
    """
    able = [item for item in items if item.answered and item.true and item.false]
    chosen = random.Random(SEED).sample(able, min(questions, len(able)))  # noqa: S311
    progress("cites")
    cited = [_cites(model, able, item) for item in chosen]
    progress("form")
    formed = [_keeps_form(model, able, item) for item in chosen]
    progress("judge")
    weigh = ModelJudge(model).weigh
    right = [
        Pair(said, item.text, is_question)
        for item in chosen
        for said, is_question in ((item.true[0], False), (item.answered[0], True))
    ]
    wrong = [Pair(item.false[0], item.text, is_question=False) for item in chosen]
    wrong += [
        Pair(asked, item.text, is_question=True) for item in chosen for asked in item.unanswered[:1]
    ]
    area = _area([one.bears_out for one in weigh(right)], [one.bears_out for one in weigh(wrong)])
    return [
        _share("cites", cited, "sentences that name the right passage of three"),
        _share("form", formed, "answers in the form asked for that name the right passage"),
        Finding(
            "judge", area, FIT_AREA, len(right) + len(wrong),
            "how often what the passage bears out or answers is found likelier than what it does "
            "not (0.5 is chance)",
        ),
    ]  # fmt: skip


class ModelJudge:
    """A model that is asked whether a text bears out a claim or answers a question."""

    def __init__(self, model: ModelServer) -> None:
        self._model = model

    def weigh(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Return a verdict on each pair, in their order.

        Raises:
            ModelUnavailable: The server is away, or gives no probabilities.
        """
        return [self._verdict(pair) for pair in pairs]

    def _verdict(self, pair: Pair) -> Verdict:
        system = JUDGING_ANSWERS if pair.is_question else JUDGING
        named = "Question" if pair.is_question else "Statement"
        said = f"Passage: {pair.text}\n\n{named}: {pair.said}\n\nYour answer:"
        messages = [Message(role="system", content=system), Message(role="user", content=said)]
        likely = self._model.probabilities(messages, choices=(YES, NO, UNKNOWN))
        return Verdict(likely[YES], likely[NO], likely[UNKNOWN])


def beside(own: Weigh, model: Weigh) -> Weigh:
    """Return a judge that finds as likely what two judges find on average.

    Where the model is away the own judge decides alone.
    """

    def weigh(pairs: Sequence[Pair]) -> list[Verdict]:
        first = own(pairs)
        try:
            second = model(pairs)
        except ModelUnavailable:
            return first
        return [
            Verdict(
                (one.bears_out + other.bears_out) / 2,
                (one.contradicts + other.contradicts) / 2,
                (one.is_silent + other.is_silent) / 2,
            )
            for one, other in zip(first, second, strict=True)
        ]

    return weigh


def _cites(model: ModelServer, items: Sequence[Item], item: Item) -> bool:
    messages, number = _numbered(CITING, items, item)
    said = "".join(model.complete(messages, maximum_tokens=REPLY_TOKENS))
    return re.findall(r"\[(\d+)\]", said) == [str(number)]


def _keeps_form(model: ModelServer, items: Sequence[Item], item: Item) -> bool:
    messages, number = _numbered(FORMED, items, item)
    said = model.complete_in_form(messages, form=FORM, maximum_tokens=REPLY_TOKENS)
    try:
        return bool(json.loads(said)["passage"] == number)
    except (ValueError, KeyError, TypeError):
        return False


def _numbered(task: str, items: Sequence[Item], item: Item) -> tuple[list[Message], int]:
    """Return a question over three passages, and the number of the one that answers it."""
    chance = random.Random(item.text)  # noqa: S311 - not a secret
    others = chance.sample([one for one in items if one is not item], DISTRACTORS)
    shown = [item, *others]
    chance.shuffle(shown)
    passages = "\n\n".join(f"[{place}] {one.text}" for place, one in enumerate(shown, start=1))
    said = f"{passages}\n\nQuestion: {item.answered[0]}\nAnswer:"
    messages = [Message(role="system", content=task), Message(role="user", content=said)]
    return messages, shown.index(item) + 1


def _share(ability: str, right: Sequence[bool], why: str) -> Finding:
    return Finding(ability, sum(right) / max(len(right), 1), FIT_SHARE, len(right), why)


def _area(above: Sequence[float], below: Sequence[float]) -> float:
    won = math.fsum((one > other) + 0.5 * (one == other) for one in above for other in below)
    return won / max(len(above) * len(below), 1)
