"""Who is answered next: everybody in turn, whoever asked how much."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import ModelBusy
from rag.waiting import FairQueue


def served(queue: FairQueue[str]) -> list[str]:
    """Take everything out, each question ending before the next is taken."""
    order: list[str] = []
    while queue.numbers()[1]:
        taken = queue.take()
        assert taken is not None
        person, item = taken
        order.append(item)
        queue.done(person, 1.0)
    return order


def filled(*asked: str, places: int = 1) -> FairQueue[str]:
    """Return a queue of questions named by person and number: "a1"."""
    queue: FairQueue[str] = FairQueue(places)
    for name in asked:
        queue.put(name, name[0], name)
    return queue


def test_ten_questions_of_one_do_not_hold_up_the_one_of_another() -> None:
    queue = filled(*(f"a{number}" for number in range(10)), "b0")

    assert served(queue)[:3] == ["a0", "b0", "a1"]


def test_questions_of_one_person_keep_their_order() -> None:
    assert served(filled("a1", "a2", "a3")) == ["a1", "a2", "a3"]


def test_people_are_served_in_turn() -> None:
    queue = filled("a1", "a2", "b1", "b2", "c1", "c2")

    assert served(queue) == ["a1", "b1", "c1", "a2", "b2", "c2"]


def test_who_has_an_answer_in_the_making_comes_after_who_has_none() -> None:
    queue = filled("a1", "a2", "b1", places=2)

    taken = [queue.take(), queue.take()]

    assert [one[1] for one in taken if one] == ["a1", "b1"]


def test_quick_answers_give_nobody_more_turns() -> None:
    queue = filled(*(f"{person}{number}" for number in range(4) for person in "abc"), places=2)
    queue.take()  # a's first takes long
    order = ["a"]
    while queue.numbers()[1]:
        person, _ = queue.take() or ("", "")
        order.append(person)
        queue.done(person, 0.1)

    assert ["".join(sorted(order[at : at + 3])) for at in range(0, 12, 3)] == ["abc"] * 4


def test_who_comes_late_has_no_turns_saved_up() -> None:
    queue = filled(*(f"a{number}" for number in range(6)))
    for _ in range(3):
        queue.take()
        queue.done("a", 1.0)
    for number in range(3):
        queue.put(f"b{number}", "b", f"b{number}")

    assert served(queue) == ["b0", "a3", "b1", "a4", "b2", "a5"]


def test_the_place_told_is_the_place_had() -> None:
    queue = filled("a1", "a2", "a3", "b1", "c1", "b2")
    told = {name: queue.place_of(name) for name in ("a1", "a2", "a3", "b1", "c1", "b2")}

    order = served(queue)

    assert [place[0] - 1 for place in map(told.__getitem__, order) if place] == list(range(6))


def test_the_wait_is_told_once_something_was_answered() -> None:
    queue = filled("a1", "b1", "c1", places=2)

    before = queue.place_of("c1")
    queue.take()
    queue.done("a", 8.0)

    assert before == (3, None)
    assert queue.place_of("c1") == (2, 8.0)


def test_a_question_can_leave_the_queue() -> None:
    queue = filled("a1", "b1")

    assert queue.remove("a1") == "a1"
    assert queue.remove("a1") is None
    assert served(queue) == ["b1"]


def test_what_does_not_wait_has_no_place() -> None:
    assert filled("a1").place_of("b1") is None


def test_one_person_cannot_fill_the_queue() -> None:
    queue: FairQueue[str] = FairQueue(1, most=10, most_of_one=2)
    for name in ("a1", "a2"):
        queue.require_room("a")
        queue.put(name, "a", name)

    with pytest.raises(ModelBusy, match="You have 2 questions"):
        queue.require_room("a")
    queue.require_room("b")


def test_a_full_queue_says_so() -> None:
    queue: FairQueue[str] = FairQueue(1, most=1)
    for name in ("a", "b"):
        queue.require_room(name)
        queue.put(name, name, name)

    with pytest.raises(ModelBusy, match="Very many"):
        queue.require_room("c")


def test_closing_hands_back_what_waits_and_lets_nobody_wait() -> None:
    queue = filled("a1", "b1")

    assert sorted(queue.close()) == ["a1", "b1"]
    assert queue.take() is None
    with pytest.raises(ModelBusy):
        queue.require_room("a")


@settings(deadline=None)
@given(asked=st.lists(st.sampled_from("abcde"), min_size=1, max_size=40))
def test_nobody_is_served_twice_while_another_waits(asked: list[str]) -> None:
    queue = filled(*(f"{person}{number}" for number, person in enumerate(asked)))

    order = [name[0] for name in served(queue)]

    assert sorted(order) == sorted(asked)
    for place, person in enumerate(order[1:], start=1):
        if order[place - 1] == person:
            assert set(order[place:]) == {person}
