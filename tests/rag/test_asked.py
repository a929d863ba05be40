"""What is asked: its parts, and what must be asked back."""

import pytest

from corpus.access import AuthorizedChunk
from rag.asked import (
    doubt_before_search,
    doubt_between_documents,
    is_reply,
    parts_of,
    rivals_of,
)
from rag.evidence import Evidence
from rag.wording import Span
from tests.rag.conftest import Passages


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "How long are customer records kept, and who can approve early deletion?",
            ["How long are customer records kept", "who can approve early deletion"],
        ),
        (
            "What is the mileage rate? And when are claims due?",
            ["What is the mileage rate", "when are claims due"],
        ),
        (
            "Who signs a purchase order and what is the highest amount?",
            ["Who signs a purchase order", "what is the highest amount"],
        ),
    ],
)
def test_a_question_of_several_parts_is_split(question: str, parts: list[str]) -> None:
    assert [part.text for part in parts_of(question)] == parts


@pytest.mark.parametrize(
    "question",
    [
        "How soon must a complaint be acknowledged?",
        "When and how is leave requested?",
        "Is money sent back if it comes without a reference and nobody knows whose it is?",
        "I've emailed a valuation to the wrong person. Who do I call and how fast?",
        "Who approves travel and subsistence?",
        "How long are files kept and who may extend that?",
    ],
)
def test_a_question_stays_whole_where_its_parts_could_not_be_asked_alone(question: str) -> None:
    assert [part.text for part in parts_of(question)] == [question]


def test_a_part_that_points_back_is_read_with_the_first() -> None:
    _, second = parts_of("How long are client files kept, and who may extend their retention?")

    assert second.sought.startswith("How long are client files kept: ")


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Complaints?", "Complaints"),
        ("Who approves it?", "it"),
        ("Does it expire after a year?", "it"),
        ("How long does this policy apply?", "this"),
        ("Who approves that?", "that"),
        ("???", "short"),
    ],
)
def test_what_no_document_could_settle_is_asked_back(question: str, word: str) -> None:
    doubt = doubt_before_search(question, [])

    assert doubt is not None
    assert word in doubt.asks


@pytest.mark.parametrize(
    "question",
    [
        "What is an MLRO?",
        "Who stands in for the MLRO when she is away?",
        "Is it possible to take unpaid leave?",
        "How long is IT equipment kept?",
        "What changes this year?",
        "When do they test the fire alarm in Bristol?",
        "How long does it take to open an account?",
        "Notice period",
    ],
)
def test_a_question_that_says_enough_is_searched_for(question: str) -> None:
    assert doubt_before_search(question, []) is None


def test_a_pronoun_that_the_conversation_explains_is_no_doubt() -> None:
    earlier = ["How are expenses above 500 pounds approved?"]

    assert doubt_before_search("Who approves it?", earlier) is None


@pytest.mark.parametrize("reply", ["the Larkspur contract", "Staff Handbook", "what about that?"])
def test_a_reply_is_told_from_a_new_question(reply: str) -> None:
    assert is_reply(reply)
    assert not is_reply("How many days of annual leave does a member of staff have?")


def evidence(passage: int, text: str, score: float) -> Evidence:
    return Evidence(passage, Span(0, len(text)), text, coverage=0.0, similarity=score)


def contracts(passages: Passages, *titles: str) -> list[AuthorizedChunk]:
    """Return passages of as many documents, each under its title."""
    return [
        passages("Notice.", "Notice.", "Notice.", title=title)[place]
        for place, title in enumerate(titles)
    ]


NOTICE = "The notice period is {} months."


def test_documents_of_equal_standing_are_offered(passages: Passages) -> None:
    chunks = contracts(passages, "Larkspur Contract", "Harbour Contract")
    found = [evidence(0, NOTICE.format(3), 0.90), evidence(1, NOTICE.format(6), 0.89)]

    doubt = doubt_between_documents("How long is the notice period?", found, chunks)

    assert doubt is not None
    assert doubt.choices == ("Larkspur Contract", "Harbour Contract")


@pytest.mark.parametrize(
    ("question", "titles", "second", "score"),
    [
        ("How long is the Harbour notice?", ("Larkspur Contract", "Harbour Contract"), 6, 0.89),
        ("How long is the notice?", ("Larkspur Contract", "Harbour Contract"), 3, 0.89),
        ("How long is the notice?", ("Larkspur Contract", "Harbour Contract"), 6, 0.70),
        ("How long is the notice?", ("Larkspur Contract 2023", "Larkspur Contract 2025"), 6, 0.89),
    ],
    ids=["it names one", "they agree", "one speaks much better", "they are editions"],
)
def test_otherwise_nothing_is_asked_back(
    passages: Passages, question: str, titles: tuple[str, str], second: int, score: float
) -> None:
    chunks = contracts(passages, *titles)
    found = [evidence(0, NOTICE.format(3), 0.90), evidence(1, NOTICE.format(second), score)]

    assert doubt_between_documents(question, found, chunks) is None


def test_without_evidence_nobody_is_a_rival() -> None:
    assert rivals_of([], []) == []
