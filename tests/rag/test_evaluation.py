"""Judging answers mechanically."""

import json
from pathlib import Path

import pytest

from rag.contract import Answer, Citation, Outcome, Passage, Sentence, Timings
from rag.errors import QuestionsInvalid
from rag.evaluation import (
    Judged,
    KnownQuestion,
    area_under,
    figures,
    judge,
    latency,
    read_questions,
    refusal_curve,
)

KNOWN = KnownQuestion("q1", "How much leave?", True, ("leave.pdf",), 2, ("27 days",))
UNKNOWN = KnownQuestion("q2", "Who is king?", False, (), None, ())


def answer(
    text: str = "",
    *,
    path: str = "leave.pdf",
    page: int = 2,
    total: float = 5.0,
    match: float = 1.0,
) -> Answer:
    passage = Passage(
        chunk_id="c", document_id="d", version_id="v", version_number=1, title="Leave", path=path,
        source="s", heading_path=[], page=page, place="", start=0, end=1, text=text, score=match,
    )  # fmt: skip
    citation = Citation(
        number=1, document_id="d", version_id="v", version_number=1, title="Leave", path=path,
        heading_path=[], page=page, place="", start=0, end=1, quote=text, marks=[],
    )  # fmt: skip
    return Answer(
        outcome=Outcome.ANSWERED if text else Outcome.REFUSED,
        sentences=[Sentence(text=text, citations=[1], quoted=True)] if text else [],
        citations=[citation] if text else [],
        passages=[passage],
        timings=Timings(total=total),
    )


def counts(known: KnownQuestion, given: Answer, *, stands: bool = True) -> dict[str, str]:
    judged = judge([known], ask=lambda _: given, stands=lambda _: stands, progress=lambda _: None)
    return {figure.name: f"{figure.count}/{figure.total}" for figure in figures(judged)}


def test_a_right_answer_counts_in_every_line() -> None:
    shown = counts(KNOWN, answer("Staff have 27 days."))

    assert shown["Right document in the top 5"] == "1/1"
    assert shown["Right page in the top 5"] == "1/1"
    assert shown["Answerable questions refused"] == "0/1"
    assert shown["Answers that hold the expected words"] == "1/1"
    assert shown["Citations whose quote stands at its page and boxes"] == "1/1"


def test_another_page_another_document_and_other_words_are_seen() -> None:
    assert counts(KNOWN, answer("x", page=3))["Right page in the top 5"] == "0/1"
    assert counts(KNOWN, answer("x", path="b"))["Right document in the top 5"] == "0/1"
    assert counts(KNOWN, answer("28 days"))["Answers that hold the expected words"] == "0/1"


def test_a_quote_that_does_not_stand_is_counted() -> None:
    shown = counts(KNOWN, answer("27 days"), stands=False)

    assert shown["Citations whose quote stands at its page and boxes"] == "0/1"


def test_refusing_is_right_for_the_one_and_wrong_for_the_other() -> None:
    assert counts(UNKNOWN, answer())["Unanswerable questions refused"] == "1/1"
    assert counts(KNOWN, answer())["Answerable questions refused"] == "1/1"


def test_a_step_that_never_ran_has_no_latency() -> None:
    judged = judge(
        [KNOWN], ask=lambda _: answer("x"), stands=lambda _: True, progress=lambda _: None
    )

    assert (latency(judged, "total"), latency(judged, "first_token")) == (5.0, None)


def matched(known: KnownQuestion, *matches: float) -> list[Judged]:
    return [
        judged
        for match in matches
        for judged in judge(
            [known],
            ask=lambda _, match=match: answer("x", match=match),  # type: ignore[misc]
            stands=lambda _: True,
            progress=lambda _: None,
        )
    ]


def test_the_curve_says_what_each_threshold_would_refuse() -> None:
    judged = [*matched(KNOWN, 0.4, 0.6, 0.8), *matched(UNKNOWN, 0.2, 0.5)]

    points = [
        (point.threshold, point.answerable, point.unanswerable) for point in refusal_curve(judged)
    ]

    assert points == [
        (0.2, 0, 0),
        (0.4, 0, 0.5),
        (0.5, pytest.approx(1 / 3), 0.5),
        (0.6, pytest.approx(1 / 3), 1),
        (0.8, pytest.approx(2 / 3), 1),
    ]


def test_the_area_is_how_often_the_answerable_match_better() -> None:
    judged = [*matched(KNOWN, 0.4, 0.6, 0.8), *matched(UNKNOWN, 0.2, 0.5)]

    assert area_under(refusal_curve(judged)) == pytest.approx(5 / 6)
    assert area_under(refusal_curve([*matched(KNOWN, 0.5), *matched(UNKNOWN, 0.5)])) == 0.5


def test_questions_are_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    row = {"id": "a", "question": "Q?", "answerable": True, "document": "x.pdf", "page": 1}
    file.write_text(json.dumps(row) + "\n\n")

    (known,) = read_questions(file)

    assert (known.documents, known.page, known.accept) == (("x.pdf",), 1, ())


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"id": "a"}', '{"id":"a","question":"q","answerable":true}']
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(line)

    with pytest.raises(QuestionsInvalid, match="line 1"):
        read_questions(file)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(QuestionsInvalid, match="cannot be read"):
        read_questions(tmp_path / "none.jsonl")
