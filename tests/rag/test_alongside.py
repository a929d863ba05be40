"""Two things of one question at the same time."""

import threading
from contextvars import ContextVar

import pytest

from rag.alongside import alongside

SETTING: ContextVar[str] = ContextVar("setting", default="none")


def test_both_run_at_the_same_time_and_the_block_ends_when_both_are_done() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        may_end.wait(10)
        return "written"

    with alongside(work) as done:
        assert begun.wait(10)
        assert not done.done()
        may_end.set()

    assert done.result() == "written"


def test_the_work_sees_the_context_of_its_caller() -> None:
    SETTING.set("request 7")

    with alongside(SETTING.get) as done:
        pass

    assert done.result() == "request 7"


def test_what_went_wrong_in_the_work_is_raised_after_the_block() -> None:
    reached: list[str] = []

    def fail() -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"), alongside(fail):
        reached.append("end of the block")

    assert reached == ["end of the block"]


def test_what_went_wrong_in_the_block_comes_first_and_the_work_still_ends() -> None:
    ended = threading.Event()

    def work() -> None:
        ended.set()
        raise OSError("the disk is full")

    with pytest.raises(KeyError), alongside(work):
        raise KeyError("block")

    assert ended.is_set()
