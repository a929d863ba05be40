from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from corpus.access import (
    AccessEntry,
    AccessList,
    AccessListId,
    AuthorizedChunk,
    Effect,
    Gate,
    Named,
    Principal,
    UncheckedChunk,
    group_named,
    person_named,
)
from corpus.documents import Chunk, ChunkId, DocumentId, VersionId

groups = some.frozensets(some.sampled_from(["staff", "partners", "audit", "it"]))


NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@given(allowed=groups, denied=groups, member_of=groups)
def test_a_list_admits_who_is_allowed_and_not_denied(
    allowed: frozenset[str], denied: frozenset[str], member_of: frozenset[str]
) -> None:
    names = {group_named(name) for name in member_of}
    entries = [AccessEntry(Effect.ALLOW, group_named(name)) for name in allowed]
    entries += [AccessEntry(Effect.DENY, group_named(name)) for name in denied]

    admits = AccessList(frozenset(entries)).admits(names, cleared=(), now=NOW)

    assert admits == (bool(allowed & member_of) and not denied & member_of)


def test_an_empty_list_admits_nobody() -> None:
    assert not AccessList(frozenset()).admits({group_named("staff")}, cleared=(), now=NOW)


def test_a_marked_list_admits_only_the_cleared() -> None:
    marked = AccessList(AccessList.of_groups(["staff"]).entries, "SECRET")

    assert not marked.admits({group_named("staff")}, cleared=["OFFICIAL"], now=NOW)
    assert marked.admits({group_named("staff")}, cleared=["OFFICIAL", "SECRET"], now=NOW)


def test_an_entry_counts_until_it_expires() -> None:
    entry = AccessEntry(Effect.ALLOW, person_named("ada"), NOW + timedelta(minutes=1))
    listed = AccessList(frozenset({entry}))

    assert listed.admits({person_named("ada")}, cleared=(), now=NOW)
    assert not listed.admits({person_named("ada")}, cleared=(), now=NOW + timedelta(minutes=1))


@given(allowed=groups, denied=groups, marking=some.sampled_from(["", "OFFICIAL"]))
def test_equal_lists_have_one_text_and_it_reads_back(
    allowed: frozenset[str], denied: frozenset[str], marking: str
) -> None:
    entries = [AccessEntry(Effect.ALLOW, group_named(name)) for name in allowed]
    entries += [AccessEntry(Effect.DENY, group_named(name)) for name in denied]

    text = AccessList(frozenset(entries), marking).canonical()

    assert text == AccessList(frozenset(reversed(entries)), marking).canonical()
    assert AccessList.of_canonical(text) == AccessList(frozenset(entries), marking)


def test_of_two_entries_for_one_principal_the_longer_counts() -> None:
    soon = AccessEntry(Effect.ALLOW, person_named("ada"), NOW)
    later = AccessEntry(Effect.ALLOW, person_named("ada"), NOW + timedelta(hours=1))
    forever = AccessEntry(Effect.ALLOW, person_named("ada"))

    assert (
        AccessList(frozenset({soon, later})).canonical()
        == AccessList(frozenset({later})).canonical()
    )
    assert (
        AccessList(frozenset({soon, later, forever})).canonical()
        == AccessList(frozenset({forever})).canonical()
    )


def test_people_are_named_without_regard_to_case_and_groups_with_it() -> None:
    assert person_named(" Ada") == Named.of_key("person:ada")
    assert group_named("Staff") != group_named("staff")


@pytest.mark.parametrize("key", ["ada", "person:", "robot:ada", ":ada"])
def test_what_names_nobody_is_refused(key: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of an enumeration or ours
        Named.of_key(key)


def test_only_the_gate_makes_an_authorized_chunk() -> None:
    with pytest.raises(TypeError, match=r"only .* makes an AuthorizedChunk"):
        AuthorizedChunk(unchecked("v1"), "ada", object())


def test_the_gate_lets_through_what_may_be_read_in_the_order_given() -> None:
    gate = gate_for({"v1", "v3"})
    chunks = [unchecked("v3"), unchecked("v2"), unchecked("v1")]

    let_through = gate.authorize(Principal("ada"), chunks)

    assert [chunk.found.version_id for chunk in let_through] == ["v3", "v1"]
    assert {chunk.reader for chunk in let_through} == {"ada"}


def test_the_gate_asks_anew_every_time() -> None:
    readable = {"v1"}
    gate = gate_for(readable)
    assert gate.may_read(Principal("ada"), VersionId("v1"))

    readable.clear()

    assert not gate.may_read(Principal("ada"), VersionId("v1"))
    assert gate.authorize(Principal("ada"), [unchecked("v1")]) == []


def test_the_gate_names_the_lists_to_search_in() -> None:
    assert gate_for(set()).lists_for(Principal("ada")) == {AccessListId(7)}


def gate_for(readable: set[str]) -> Gate:
    return Gate(
        admitting_lists=lambda _: [AccessListId(7)],
        readable_versions=lambda _, asked: {found for found in asked if found in readable},
    )


def unchecked(version: str) -> UncheckedChunk:
    return UncheckedChunk(
        chunk_id=ChunkId("c"),
        document_id=DocumentId("d"),
        version_id=VersionId(version),
        version_number=1,
        title="Fees",
        path="fees.pdf",
        source_name="policies",
        chunk=Chunk(0, 0, 3),
        text="fee",
    )
