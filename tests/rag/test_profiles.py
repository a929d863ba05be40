"""What a model may do beyond wording is measured, not believed."""

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import pytest

from rag.errors import ModelUnavailable
from rag.generation import Message, ModelServer
from rag.judging import Pair, Verdict
from rag.profiles import (
    Item,
    ModelJudge,
    Profile,
    beside,
    keep_profile,
    kept_profile,
    probe,
    profile_named,
    read_items,
)

ITEMS = [
    Item(
        text=f"The {thing} is kept for {years} years.",
        answered=(f"How long is the {thing} kept?",),
        unanswered=(f"Who owns the {thing}?",),
        true=(f"The {thing} is kept for {years} years.",),
        false=(f"The {thing} is burnt after {years} years.",),
        open=(),
    )
    for years, thing in enumerate(("ledger", "diary", "register", "minute book", "deed"), start=3)
]
Said = Callable[[str], str]


def server(worded: Said, judged: Said) -> ModelServer:
    """A model that words one thing and gives all its likelihood to one choice."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        prompt = body["messages"][-1]["content"]
        if body.get("stream"):
            piece = json.dumps({"choices": [{"delta": {"content": worded(prompt)}}]})
            return httpx.Response(200, text=f"data: {piece}\n\ndata: [DONE]\n\n")
        if "structured_outputs" in body:
            tokens = [
                {
                    "token": choice[:3],
                    "logprob": math.log(0.9 if judged(prompt) == choice else 0.05),
                }
                for choice in body["structured_outputs"]["choice"]
            ]
            choice: dict[str, object] = {"logprobs": {"content": [{"top_logprobs": tokens}]}}
        else:
            number = re.findall(r"\d+", worded(prompt))[-1]
            said = json.dumps({"answer": "So it is.", "passage": int(number)})
            choice = {"message": {"content": said}}
        return httpx.Response(200, json={"choices": [choice]})

    return ModelServer(url="http://model", name="m", transport=httpx.MockTransport(answer))


def knowing(prompt: str) -> str:
    passages, question = prompt.split("\n\nQuestion: ")
    thing = question.removeprefix("How long is the ").split(" kept")[0]
    (number,) = re.findall(rf"\[(\d)\] The {thing} ", passages)
    return f"It is kept for years [{number}]."


def fair(prompt: str) -> str:
    if "burnt" in prompt:
        return "no"
    return "unknown" if "Who owns" in prompt else "yes"


def ignore(_: str) -> None:
    pass


def test_a_model_that_knows_deserves_everything() -> None:
    findings = probe(server(knowing, fair), ITEMS, questions=5, progress=ignore)

    assert {found.ability: found.fit for found in findings} == {
        "cites": True,
        "form": True,
        "judge": True,
    }


def test_a_model_that_guesses_deserves_nothing() -> None:
    guesses = server(lambda _: "It is so [9].", lambda _: "yes")

    findings = probe(guesses, ITEMS, questions=5, progress=ignore)

    assert not any(found.fit for found in findings)
    assert all(found.why for found in findings)


def test_likelihoods_are_shared_out_among_the_choices() -> None:
    message = [Message(role="user", content="The ledger is burnt after 3 years.")]

    likely = server(knowing, fair).probabilities(message, choices=("yes", "no", "unknown"))

    assert likely["no"] == pytest.approx(0.9)
    assert sum(likely.values()) == pytest.approx(1)


def test_a_server_without_probabilities_is_no_judge() -> None:
    silent = ModelServer(
        url="http://model",
        name="m",
        transport=httpx.MockTransport(
            lambda _: httpx.Response(200, json={"choices": [{"logprobs": None}]})
        ),
    )

    with pytest.raises(ModelUnavailable):
        ModelJudge(silent).weigh([Pair("It is kept.", "The ledger is kept.", is_question=False)])


def test_a_profile_is_kept_for_the_model_it_was_measured_of(tmp_path: Path) -> None:
    findings = probe(server(knowing, fair), ITEMS, questions=5, progress=ignore)

    keep_profile(tmp_path / "kept" / "profile.json", "m", findings)

    assert kept_profile(tmp_path / "kept" / "profile.json", "m") == Profile(True, True, True)
    assert kept_profile(tmp_path / "kept" / "profile.json", "another") == Profile()
    assert kept_profile(tmp_path / "none.json", "m") == Profile()


def test_a_profile_is_named_by_its_abilities() -> None:
    assert profile_named("cites, judge") == Profile(cites=True, judges=True)
    assert profile_named("none") == Profile()
    with pytest.raises(ValueError, match="guesses"):
        profile_named("guesses")


def test_two_judges_count_alike_and_ours_decides_where_the_model_is_away() -> None:
    def ours(pairs: Sequence[Pair]) -> list[Verdict]:
        return [Verdict(0.8, 0.1, 0.1) for _ in pairs]

    def away(pairs: Sequence[Pair]) -> list[Verdict]:
        raise ModelUnavailable("away")

    pairs = [Pair("The ledger is kept for 3 years.", ITEMS[0].text, is_question=False)]
    model = ModelJudge(server(knowing, fair)).weigh

    assert beside(ours, model)(pairs)[0].bears_out == pytest.approx(0.85)
    assert beside(ours, away)(pairs) == ours(pairs)


def test_the_built_in_questions_are_read_with_what_is_known_of_them(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text(
        "P: Lamps are green.\n+ Which colour?\n- Who paid?\nE: Lamps are green.\n"
        "C: Lamps are red.\nN: Lamps hum: loudly.\n"
    )

    (item,) = read_items(tmp_path)

    assert item == Item(
        "Lamps are green.",
        answered=("Which colour?",),
        unanswered=("Who paid?",),
        true=("Lamps are green.",),
        false=("Lamps are red.",),
        open=("Lamps hum: loudly.",),
    )
