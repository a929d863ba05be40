"""The larger judge, made of the packaged language model; and what is while that is not there."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from muniment.meanwhile import meanwhile
from rag import larger_judge
from rag.errors import JudgeInvalid
from rag.judging import Judge, Pair, Verdict
from rag.larger_judge import ASKED_TOKENS, TEXT_TOKENS, Asking, Later
from tests import judge as shared

LEAVE = (
    "Holiday Policy. Carrying over. Up to five days of annual leave may be carried over to the "
    "next year with the manager's consent. Days carried over lapse at the end of March."
)
SECONDS = 30


@pytest.fixture
def judge(packaged_model_folder: Path) -> Judge:
    return shared.larger_judge(packaged_model_folder)


@pytest.fixture
def asking(packaged_model_folder: Path) -> Asking:
    return Asking(Tokenizer.from_file(str(packaged_model_folder / "tokenizer.json")))


def test_a_question_that_the_text_answers_outdoes_a_near_miss(judge: Judge) -> None:
    answered, missed = judge.weigh(
        [
            Pair("How many days of leave can I take into next year?", LEAVE, is_question=True),
            Pair("How many days of leave does a new starter get?", LEAVE, is_question=True),
        ]
    )

    assert answered.bears_out > missed.bears_out + 0.2


def test_a_long_text_is_cut_and_never_the_question_behind_it(asking: Asking) -> None:
    question = "When do days that were carried over lapse?"
    ending = asking.ending(question, is_question=True)

    rows = asking.inputs([Pair(question, text, is_question=True) for text in (LEAVE * 40, LEAVE)])
    long, short = rows["input_ids"]

    assert len(long) == 1 + TEXT_TOKENS + len(ending)
    assert list(long[-len(ending) :]) == ending
    assert rows["attention_mask"][1].sum() < len(short)


@pytest.mark.parametrize("is_question", [True, False])
def test_a_long_question_or_claim_is_cut_before_the_place_where_the_verdict_is_read(
    asking: Asking, is_question: bool
) -> None:
    cut = asking.ending("word " * 500, is_question=is_question)
    whole = asking.ending("word?", is_question=is_question)

    assert len(cut) == ASKED_TOKENS
    assert cut[-3:] == whole[-3:]


def test_a_request_is_read_as_a_question_and_a_claim_that_asks_as_a_claim(asking: Asking) -> None:
    request = Pair("Tell me when days lapse.", LEAVE, is_question=True)
    claim = Pair("When do days lapse?", LEAVE, is_question=False)

    read = [asking.inputs([pair])["input_ids"][0].tolist() for pair in (request, claim)]

    assert read[0] == asking.opening(LEAVE) + asking.ending(request.said, is_question=True)
    assert read[1] == asking.opening(LEAVE) + asking.ending(claim.said, is_question=False)


@pytest.mark.parametrize("missing", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_model_that_is_not_whole_is_a_clear_error(
    packaged_model_folder: Path, tmp_path: Path, missing: str
) -> None:
    for file in packaged_model_folder.iterdir():
        if file.name != missing:
            (tmp_path / file.name).symlink_to(file)

    with pytest.raises(JudgeInvalid, match=r"Remove that .*folder and run `muniment up`"):
        larger_judge.load(tmp_path, cache_folder=tmp_path / "cache")


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_a_damaged_file_of_what_was_taught_is_a_clear_error(
    packaged_model_folder: Path, tmp_path: Path, content: bytes | None
) -> None:
    taught = tmp_path / "larger.safetensors"
    if content is not None:
        taught.write_bytes(content)

    with pytest.raises(JudgeInvalid, match="cannot be made"):
        larger_judge.load(packaged_model_folder, cache_folder=tmp_path / "cache", taught=taught)


def test_while_its_model_is_not_there_nothing_weighs() -> None:
    later = Later(lambda: False, _never)

    assert later.now() is None
    assert later.weigh() is None


def test_it_is_loaded_when_it_is_first_needed_and_once() -> None:
    loaded: list[Judge] = []

    def load() -> Judge:
        loaded.append(_Constant())
        return loaded[-1]

    later = Later(lambda: True, load)

    assert later.weigh() is None
    assert later.now() is not None
    assert later.now() == later.weigh()
    assert len(loaded) == 1


def test_it_weighs_once_its_model_has_been_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(larger_judge, "LOOK_SECONDS", 0.01)
    there = threading.Event()
    later = Later(there.is_set, _Constant)

    with meanwhile(later.wait, name="larger-judge"):
        assert later.weigh() is None
        there.set()
        _until(lambda: later.weigh() is not None)


def test_waiting_for_it_ends_with_the_service() -> None:
    ended = threading.Event()
    ended.set()
    later = Later(lambda: False, _never)

    later.wait(ended)

    assert later.weigh() is None


def test_a_model_that_cannot_be_used_is_said_and_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    later = Later(lambda: True, _never)

    later.wait(threading.Event())

    assert "smaller judge alone" in caplog.text
    assert later.weigh() is None


class _Constant(Judge):
    def __init__(self) -> None:
        pass

    def weigh(self, pairs: object) -> list[Verdict]:
        return []


def _never() -> Judge:
    raise JudgeInvalid("The larger judge cannot be made.")


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
