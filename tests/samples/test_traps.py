"""The planted falsehoods: each is about something that the documents really say otherwise."""

import json
import re
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
KINDS = ("citations", "numbers", "stale")


def contents() -> dict[str, str]:
    texts = [path.read_text(encoding="utf-8") for path in (SAMPLES / "content").glob("*.md")]
    return {re.findall(r"^target: (.+)$", text, re.MULTILINE)[0]: text for text in texts}


def traps(kind: str) -> list[dict[str, object]]:
    lines = (SAMPLES / "traps" / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_thirty_of_each_kind_and_each_says_why_it_is_wrong(kind: str) -> None:
    found = traps(kind)

    assert len(found) == 30
    assert len({trap["id"] for trap in found}) == 30
    assert all(trap["why"] and trap["question"] and trap["draft"] for trap in found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_trap_distorts_stands_in_its_document(kind: str) -> None:
    known = contents()

    for trap in traps(kind):
        for passage in trap["passages"]:  # type: ignore[attr-defined]
            assert passage["text"] in known[passage["document"]], trap["id"]


@pytest.mark.parametrize("kind", ["citations", "numbers"])
def test_no_document_says_what_a_trap_says(kind: str) -> None:
    text = "\n".join(contents().values())

    assert not [trap["id"] for trap in traps(kind) if str(trap["draft"]) in text]


def test_every_stale_rule_is_superseded_by_a_document_that_is_there() -> None:
    known = contents()

    for trap in traps("stale"):
        assert "Superseded" in known[str(trap["superseded"])]
        assert "Replaces version" in known[str(trap["in_force"])]
