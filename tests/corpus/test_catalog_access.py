"""Who may read what: the catalog is the authority."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from corpus.access import Principal
from corpus.catalog import AccessRule, Catalog, Source, Staged
from corpus.documents import OriginalHash, ParsedDocument
from corpus.errors import UnknownSource

GROUPS = ["staff", "partners", "audit", "it", "a,b", 'a","b']

groups = some.frozensets(some.sampled_from(GROUPS))


class Shelf(Protocol):
    catalog: Catalog
    source: Source
    stage: Callable[..., Staged]
    publish: Callable[..., Staged]


@pytest.fixture(scope="module")
def open_catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog.open(f"sqlite:///{tmp_path_factory.mktemp('access')}/catalog.db")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stored=some.lists(groups, min_size=1, max_size=5), member_of=groups)
def test_lists_admit_exactly_those_who_share_a_group(
    open_catalog: Catalog, stored: list[frozenset[str]], member_of: frozenset[str]
) -> None:
    principal = Principal("ada", member_of)
    lists = {
        list_id: admitted for admitted in stored for list_id in [list_of(open_catalog, admitted)]
    }

    admitting = open_catalog.admitting_lists(principal)

    for list_id, admitted in lists.items():
        assert (list_id in admitting) == bool(admitted & member_of)
    assert len(lists) == len(set(stored))


def test_someone_without_groups_reads_nothing(shelf: Shelf) -> None:
    staged = shelf.publish()
    nobody = Principal("nobody", roles=frozenset({"administrator", "auditor"}))

    assert shelf.catalog.admitting_lists(nobody) == set()
    assert shelf.catalog.readable_versions(nobody, [staged.version_id]) == set()
    assert shelf.catalog.gate().authorize(nobody, shelf.catalog.load_chunks(staged.chunk_ids)) == []


def test_a_source_for_no_group_admits_nobody(catalog: Catalog, tmp_path: Path) -> None:
    everyone = Principal("ada", frozenset(GROUPS))
    before = catalog.admitting_lists(everyone)

    list_of(catalog, frozenset())

    assert catalog.admitting_lists(everyone) == before


def test_the_gate_lets_the_right_person_through(shelf: Shelf) -> None:
    staged = shelf.publish()
    chunks = shelf.catalog.load_chunks(staged.chunk_ids)
    gate = shelf.catalog.gate()

    assert len(gate.authorize(Principal("ada", frozenset({"staff"})), chunks)) == 1
    assert gate.authorize(Principal("eve", frozenset({"visitors"})), chunks) == []


def test_the_first_rule_that_matches_decides(shelf: Shelf) -> None:
    rules = [
        AccessRule("board/public/*", frozenset({"staff"})),
        AccessRule("board/*", frozenset({"partners"})),
        AccessRule("*.xlsx", frozenset()),
    ]
    shelf.source = shelf.catalog.add_source(
        name="policies", location=shelf.source.location, groups=frozenset({"staff"}), rules=rules
    )

    def groups_at(path: str) -> frozenset[str]:
        return shelf.catalog.document_groups(shelf.publish(path).document_id)

    assert groups_at("fees.pdf") == {"staff"}
    assert groups_at("board/minutes/may.pdf") == {"partners"}
    assert groups_at("board/public/may.pdf") == {"staff"}
    assert groups_at("pay.xlsx") == frozenset()


def test_a_changed_source_changes_who_reads_its_documents_at_once(shelf: Shelf) -> None:
    staged = shelf.publish()
    ada = Principal("ada", frozenset({"staff"}))

    changed = shelf.catalog.add_source(
        name="policies", location=shelf.source.location, groups=frozenset({"partners"})
    )

    assert changed.source_id == shelf.source.source_id
    assert shelf.catalog.readable_versions(ada, [staged.version_id]) == set()
    assert shelf.catalog.document_groups(staged.document_id) == {"partners"}


def test_the_index_is_told_of_a_changed_list_until_it_has_it(shelf: Shelf) -> None:
    staged = shelf.publish()
    shelf.publish("leave.pdf")
    assert shelf.catalog.stale_access() == {}

    shelf.catalog.add_source(
        name="policies",
        location=shelf.source.location,
        groups=frozenset({"staff"}),
        rules=[AccessRule("fees*", frozenset({"partners"}))],
    )

    stale = shelf.catalog.stale_access(shelf.source.source_id)
    assert set(stale) == {staged.document_id}
    shelf.catalog.access_indexed(staged.document_id, staged.access_list)
    assert shelf.catalog.stale_access() == stale
    shelf.catalog.access_indexed(staged.document_id, stale[staged.document_id])
    assert shelf.catalog.stale_access() == {}


def test_a_document_moved_under_another_rule_is_read_by_others(shelf: Shelf) -> None:
    shelf.source = shelf.catalog.add_source(
        name="policies",
        location=shelf.source.location,
        groups=frozenset({"staff"}),
        rules=[AccessRule("board/*", frozenset({"partners"}))],
    )
    staged = shelf.publish("fees.pdf")

    access_list = shelf.catalog.move_document(staged.document_id, "board/fees.pdf")

    assert access_list != staged.access_list
    assert shelf.catalog.access_list_of(staged.document_id) == access_list
    assert shelf.catalog.stale_access() == {staged.document_id: access_list}
    ada = Principal("ada", frozenset({"staff"}))
    assert shelf.catalog.readable_versions(ada, [staged.version_id]) == set()


def test_documents_of_the_same_groups_share_a_list(shelf: Shelf, tmp_path: Path) -> None:
    first = shelf.publish()
    other = shelf.catalog.add_source(name="b", location=tmp_path, groups=frozenset({"staff"}))
    shelf.source = other

    assert shelf.publish().access_list == first.access_list


def test_a_source_is_found_by_name_and_id(shelf: Shelf) -> None:
    catalog, source = shelf.catalog, shelf.source

    assert catalog.source_named("policies") == catalog.source(source.source_id) == source
    assert catalog.sources() == [source]
    assert catalog.source_of(shelf.publish().document_id) == source
    with pytest.raises(UnknownSource, match="no source named 'minutes'"):
        catalog.source_named("minutes")


def test_a_removed_source_takes_its_documents_with_it(shelf: Shelf) -> None:
    staged = shelf.publish()
    shelf.catalog.queue_run(shelf.source.source_id)

    gone = shelf.catalog.remove_source(shelf.source.source_id)

    assert gone == [staged.version_id]
    assert shelf.catalog.sources() == []
    assert shelf.catalog.live_document_count() == 0
    assert shelf.catalog.claim_run() is None
    with pytest.raises(UnknownSource):
        shelf.catalog.remove_source(shelf.source.source_id)


def test_the_name_of_a_removed_source_can_be_taken(shelf: Shelf, tmp_path: Path) -> None:
    shelf.catalog.remove_source(shelf.source.source_id)

    again = shelf.catalog.add_source(
        name="policies", location=tmp_path, groups=frozenset({"staff"})
    )

    assert again.source_id != shelf.source.source_id


def list_of(catalog: Catalog, admitted: frozenset[str]) -> int:
    """Return the id of a list, made by putting a document of a source of its own under it."""
    source = catalog.add_source(name="any", location=Path("/any"), groups=admitted)
    known = catalog.known_files(source.source_id)
    if not known:
        staged = catalog.stage_version(
            source_id=source.source_id,
            path="list.txt",
            original=OriginalHash("00"),
            media_type="text/plain",
            parsed=ParsedDocument("", ()),
            chunks=[],
            size=0,
            modified_ns=0,
        )
        catalog.publish(staged.version_id)
        return staged.access_list
    document_id = known["list.txt"].document_id
    assert document_id is not None
    return catalog.move_document(document_id, "list.txt")
