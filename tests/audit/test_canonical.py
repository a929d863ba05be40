import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import (
    Json,
    canonical,
    commitment,
    leaf_hash,
    moment,
    plain,
    pseudonym,
    sortable_id,
    timestamp,
)
from audit.errors import EventInvalid

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def test_names_are_sorted_and_no_space_is_left() -> None:
    assert canonical({"b": [1, 2.50, True, None], "a": "é\n"}) == (
        '{"a":"é\\n","b":[1,2.5,true,null]}'.encode()
    )


def test_numbers_are_written_as_rfc_8785_appendix_b_writes_them() -> None:
    assert canonical([0.0, -0.0, 1e21, 1e-7, 333333333.33333329]) == (
        b"[0,0,1e+21,1e-7,333333333.3333333]"
    )


@given(st.dictionaries(st.text(), st.integers(-9, 9)))
def test_the_order_in_which_an_object_was_made_does_not_show(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))

    assert canonical(plain(backwards)) == canonical(plain(value))


@given(JSON)
def test_what_is_written_reads_back_as_it_was(value: Json) -> None:
    assert json.loads(canonical(value)) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2**53])
def test_a_number_that_json_cannot_carry_is_refused(number: float) -> None:
    with pytest.raises(EventInvalid, match="number"):
        canonical(number)


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_written(text: str) -> None:
    canonical(plain(text))


def test_a_file_name_in_a_foreign_encoding_keeps_its_bytes_visible() -> None:
    name = b"caf\xe9.pdf".decode("utf-8", "surrogateescape")

    assert plain(name) == "caf\\udce9.pdf"


def test_a_value_without_json_form_is_refused() -> None:
    with pytest.raises(EventInvalid, match="bytes"):
        plain([b"raw"])


def test_a_leaf_is_hashed_apart_from_inner_nodes() -> None:
    # RFC 9162, 2.1.1: the hash of the empty leaf is SHA-256 of one zero byte.
    assert leaf_hash(b"") == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def test_the_same_words_with_another_salt_have_another_commitment() -> None:
    assert commitment(salt=b"1", body=b"yes") != commitment(salt=b"2", body=b"yes")


def test_a_pseudonym_is_128_bits_that_need_the_pepper() -> None:
    name = pseudonym(b"p" * 32, "Ada")

    assert name.startswith("a:")
    assert len(name) == 2 + 32
    assert name == pseudonym(b"p" * 32, "Ada")
    assert name != pseudonym(b"q" * 32, "Ada")


def test_times_are_utc_with_microseconds() -> None:
    paris = datetime(2026, 11, 22, 10, 0, tzinfo=timezone(timedelta(hours=1)))

    assert timestamp(paris) == "2026-11-22T09:00:00.000000Z"
    assert moment("2026-11-22T09:00:00.000000Z") == paris


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(EventInvalid, match="zone"):
        timestamp(datetime(2026, 11, 22))  # noqa: DTZ001


def test_ids_sort_by_time_and_take_their_randomness_from_outside() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)

    first, second = sortable_id(early, b"\xff" * 10), sortable_id(late, b"\x00" * 10)

    assert first < second
    assert len(first) == 26
    assert second.endswith("0" * 16)
