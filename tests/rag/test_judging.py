"""What the judge makes of a text, a question and a claim."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from corpus.conversion import packaged_model
from rag.errors import JudgeInvalid
from rag.judging import Judge, Pair, build, read_taught, write_taught
from tests import judge as shared

LEAVE = (
    "Holiday Policy. Carrying over. Up to five days of annual leave may be carried over to the "
    "next year with the manager's consent. Days carried over lapse at the end of March."
)


@pytest.fixture(params=["the judge", "the larger judge"])
def judge(request: pytest.FixtureRequest) -> Judge:
    if request.param == "the judge":
        return shared.judge()
    return shared.larger_judge(request.getfixturevalue("packaged_model_folder"))


def test_a_question_that_the_text_answers_outdoes_one_that_it_does_not(judge: Judge) -> None:
    answered, missed = judge.weigh(
        [
            Pair("How many days of leave can I take into next year?", LEAVE, is_question=True),
            Pair("How many days of leave does a new starter get?", LEAVE, is_question=True),
        ]
    )

    assert answered.bears_out > missed.bears_out


def test_a_claim_is_told_from_its_opposite(judge: Judge) -> None:
    true, false = judge.weigh(
        [
            Pair("Leave carried over is lost after March.", LEAVE, is_question=False),
            Pair("Leave may be carried over without anybody's consent.", LEAVE, is_question=False),
        ]
    )

    assert true.bears_out > false.bears_out
    assert false.contradicts > true.contradicts


def test_a_text_about_something_else_is_silent(judge: Judge) -> None:
    (verdict,) = judge.weigh([Pair("Where do visitors park?", LEAVE, is_question=True)])

    assert verdict.is_silent > verdict.bears_out


def test_a_verdict_shares_out_one(judge: Judge) -> None:
    (verdict,) = judge.weigh([Pair("Who consents?", LEAVE, is_question=True)])

    assert verdict.bears_out + verdict.contradicts + verdict.is_silent == pytest.approx(1, abs=1e-5)


def test_a_verdict_does_not_hang_on_what_else_is_asked(judge: Judge) -> None:
    pairs = [
        Pair("Who consents?", LEAVE, is_question=True),
        Pair("x" * 5000, "y", is_question=False),
        Pair("When do they lapse?", LEAVE * 40, is_question=True),
    ]

    together = judge.weigh(pairs)
    apart = [judge.weigh([pair])[0] for pair in pairs]

    for one, other in zip(together, apart, strict=True):
        assert one.bears_out == pytest.approx(other.bears_out, abs=1e-3)


def test_threads_do_not_disturb_each_other(judge: Judge) -> None:
    pair = Pair("Who consents?", LEAVE, is_question=True)
    alone = judge.weigh([pair])

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(judge.weigh, [[pair]] * 8))

    assert all(each[0].bears_out == pytest.approx(alone[0].bears_out, abs=1e-4) for each in found)


def test_nothing_asked_is_nothing_found(judge: Judge) -> None:
    assert judge.weigh([]) == []


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_a_damaged_file_is_a_clear_error(tmp_path: Path, content: bytes | None) -> None:
    taught = tmp_path / "taught.safetensors"
    if content is not None:
        taught.write_bytes(content)

    with pytest.raises(JudgeInvalid, match="cannot be loaded"):
        Judge.load(cache_folder=tmp_path / "cache", taught=taught)


def test_what_is_kept_is_what_was_taught(tmp_path: Path) -> None:
    module = build(packaged_model(), None)

    write_taught(module, tmp_path / "taught.safetensors")

    kept = read_taught(tmp_path / "taught.safetensors")
    known = module.state_dict()
    assert kept
    for name, weights in kept.items():
        assert (weights - known[name]).abs().max() <= 0.01 * known[name].abs().max()
