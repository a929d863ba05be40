import pytest
from hypothesis import given
from hypothesis import strategies as some

from corpus.access import AccessList, AccessListId, AuthorizedChunk, Gate, Principal, UncheckedChunk
from corpus.documents import Chunk, ChunkId, DocumentId, VersionId

groups = some.frozensets(some.sampled_from(["staff", "partners", "audit", "it"]))


@given(admitted=groups, member_of=groups)
def test_a_list_admits_whoever_is_in_one_of_its_groups(
    admitted: frozenset[str], member_of: frozenset[str]
) -> None:
    principal = Principal("ada", member_of)

    assert AccessList(admitted).admits(principal) == bool(admitted & member_of)


def test_an_empty_list_admits_nobody() -> None:
    assert not AccessList(frozenset()).admits(Principal("ada", frozenset({"staff"})))


def test_roles_open_no_document() -> None:
    administrator = Principal("ada", frozenset(), frozenset({"administrator", "staff"}))

    assert not AccessList(frozenset({"staff"})).admits(administrator)


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
