"""Allow and deny, inherited; nested groups; clearance; and which entry decided."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from corpus.access import Effect, Named, Principal, PrincipalKind, group_named, person_named
from corpus.catalog import Catalog, Staged
from corpus.errors import AccessInvalid, UnknownDocument
from corpus.records import FileRights

LEVELS = ("OFFICIAL", "OFFICIAL-SENSITIVE")
ADA = Principal("Ada", frozenset({"staff"}))
BOB = Principal("bob")


@pytest.fixture
def catalog(url: str, clock: Any) -> Any:
    opened = Catalog.open(url, clock=clock, markings=LEVELS)
    yield opened
    opened.close()


def reads(shelf: Any, principal: Principal, staged: Staged) -> bool:
    may = shelf.catalog.gate().may_read(principal, staged.version_id)
    listed, total = shelf.catalog.readable_documents(principal)
    found = staged.document_id in {each.version.document_id for each in listed}
    admitted = shelf.catalog.access_list_of(staged.document_id) in shelf.catalog.admitting_lists(
        principal
    )
    explained = shelf.catalog.explain(principal, staged.document_id).may_read
    assert may == found == admitted == explained
    assert total == len(listed)
    return bool(may)


def enter(shelf: Any, effect: Effect, principal: Named, path: str = "", **more: Any) -> int:
    changed: int = shelf.catalog.add_entry(
        source_id=shelf.source.source_id, path=path, effect=effect, principal=principal, **more
    )
    return changed


@pytest.mark.parametrize("path", ["", "board/", "board/2026/", "board/2026/may.pdf"])
def test_an_entry_on_the_source_a_folder_or_the_document_admits(shelf: Any, path: str) -> None:
    staged = shelf.publish("board/2026/may.pdf")
    assert not reads(shelf, BOB, staged)

    enter(shelf, Effect.ALLOW, person_named("bob"), path)

    assert reads(shelf, BOB, staged)


@pytest.mark.parametrize("path", ["boar", "board", "board/20/", "board/2026/may.pdf/", "other/"])
def test_an_entry_elsewhere_bears_on_nothing(shelf: Any, path: str) -> None:
    staged = shelf.publish("board/2026/may.pdf")

    enter(shelf, Effect.ALLOW, person_named("bob"), path)

    assert not reads(shelf, BOB, staged)


@pytest.mark.parametrize("denied", [group_named("staff"), person_named("ada")])
@pytest.mark.parametrize(("allowed_at", "denied_at"), [("", "board/"), ("board/may.pdf", "")])
def test_denying_wins_wherever_it_stands(
    shelf: Any, denied: Named, allowed_at: str, denied_at: str
) -> None:
    staged = shelf.publish("board/may.pdf")
    enter(shelf, Effect.ALLOW, person_named("ADA"), allowed_at)
    assert reads(shelf, ADA, staged)

    enter(shelf, Effect.DENY, denied, denied_at)

    assert not reads(shelf, ADA, staged)


def test_an_entry_on_a_folder_holds_for_documents_that_come_later(shelf: Any) -> None:
    enter(shelf, Effect.DENY, group_named("staff"), "board/")

    assert not reads(shelf, ADA, shelf.publish("board/may.pdf"))
    assert reads(shelf, ADA, shelf.publish("leave.pdf"))


def test_an_entry_on_a_document_goes_where_it_goes(shelf: Any) -> None:
    staged = shelf.publish("may.pdf")
    enter(shelf, Effect.DENY, person_named("ada"), "may.pdf")

    shelf.catalog.move_document(staged.document_id, "old/may.pdf")

    assert not reads(shelf, ADA, staged)
    assert reads(shelf, ADA, shelf.publish("may.pdf"))


def test_a_denial_outlives_the_document_it_stood_on(shelf: Any) -> None:
    enter(shelf, Effect.DENY, person_named("ada"), "may.pdf")
    shelf.catalog.withdraw_document(shelf.publish("may.pdf").document_id)

    assert not reads(shelf, ADA, shelf.publish("may.pdf"))


def test_removing_an_entry_takes_it_back(shelf: Any) -> None:
    staged = shelf.publish()
    enter(shelf, Effect.DENY, person_named("ada"))

    gone = shelf.catalog.remove_entries(
        source_id=shelf.source.source_id, path="", principal=person_named("Ada")
    )

    assert gone == 1
    assert shelf.catalog.entries(shelf.source.source_id) == []
    assert reads(shelf, ADA, staged)


def test_groups_hold_groups_and_a_circle_harms_nobody(shelf: Any) -> None:
    catalog, staged = shelf.catalog, shelf.publish()
    catalog.add_member("a", person_named("BOB"))
    catalog.add_member("b", group_named("a"))
    catalog.add_member("c", group_named("b"))
    catalog.add_member("a", group_named("c"))
    assert not reads(shelf, BOB, staged)

    enter(shelf, Effect.ALLOW, group_named("c"))
    assert reads(shelf, BOB, staged)
    explained = catalog.explain(BOB, staged.document_id)
    assert explained.weighed[0].through == ("a", "b", "c")

    catalog.remove_member("b", group_named("a"))
    assert not reads(shelf, BOB, staged)


def test_groups_of_an_account_lead_on_to_groups_of_the_catalog(shelf: Any) -> None:
    staged = shelf.publish()
    shelf.catalog.add_member("everybody", group_named("staff"))
    enter(shelf, Effect.DENY, group_named("everybody"))

    assert not reads(shelf, ADA, staged)


def test_a_directory_replaces_what_it_said_and_nothing_else(shelf: Any) -> None:
    catalog, staged = shelf.catalog, shelf.publish()
    catalog.add_member("staff", person_named("carol"))
    carol = Principal("carol")

    assert catalog.replace_members({"staff": [person_named("bob")]}, origin="csv") == (1, 0)
    assert reads(shelf, BOB, staged)
    assert catalog.replace_members({"staff": []}, origin="csv") == (0, 1)
    assert not reads(shelf, BOB, staged)
    assert reads(shelf, carol, staged)


def test_a_service_account_is_nobody_of_the_same_name(shelf: Any) -> None:
    staged = shelf.publish()
    enter(shelf, Effect.ALLOW, Named(PrincipalKind.SERVICE, "bob"))

    assert not reads(shelf, BOB, staged)
    assert reads(shelf, Principal("bob", kind=PrincipalKind.SERVICE), staged)


def test_an_entry_ends_by_the_clock_alone(shelf: Any, clock: Any) -> None:
    staged = shelf.publish()
    enter(shelf, Effect.ALLOW, person_named("bob"), expires_at=clock.now + timedelta(hours=3))
    assert reads(shelf, BOB, staged)

    clock.now += timedelta(hours=3)

    assert not reads(shelf, BOB, staged)


def test_only_the_documents_below_an_entry_come_under_another_list(shelf: Any) -> None:
    shelf.publish("leave.pdf")
    board = shelf.publish("board/may.pdf")

    changed = enter(shelf, Effect.DENY, group_named("interns"), "board/")

    assert changed == 1
    assert set(shelf.catalog.stale_access()) == {board.document_id}


def test_a_change_of_groups_touches_no_document(shelf: Any) -> None:
    shelf.publish()

    shelf.catalog.add_member("staff", person_named("bob"))

    assert shelf.catalog.stale_access() == {}


def test_every_change_of_rights_moves_the_epoch(shelf: Any) -> None:
    catalog, source_id = shelf.catalog, shelf.source.source_id
    shelf.publish()
    changes: list[Callable[[], object]] = [
        lambda: enter(shelf, Effect.DENY, person_named("ada")),
        lambda: catalog.remove_entries(
            source_id=source_id, path="", principal=person_named("ada")
        ),
        lambda: catalog.add_member("a", person_named("bob")),
        lambda: catalog.remove_member("a", person_named("bob")),
        lambda: catalog.replace_members({"b": [person_named("bob")]}, origin="csv"),
        lambda: catalog.set_clearance(person_named("bob"), LEVELS[0]),
        lambda: catalog.set_marking_rules(source_id, {"*": LEVELS[0]}),
        lambda: catalog.add_source(
            name="policies", location=Path("/x"), groups=frozenset({"others"})
        ),
        lambda: catalog.set_rights(source_id, "posix"),
    ]  # fmt: skip

    epochs = [catalog.gate().epoch()]
    for change in changes:
        change()
        epochs.append(catalog.gate().epoch())

    assert epochs == sorted(set(epochs))


def test_a_marked_document_is_read_by_the_cleared(shelf: Any) -> None:
    catalog, staged = shelf.catalog, shelf.publish("board/may.pdf")
    catalog.set_marking_rules(shelf.source.source_id, {"board/*": LEVELS[1]})
    assert not reads(shelf, ADA, staged)

    catalog.set_clearance(group_named("staff"), LEVELS[0])
    assert not reads(shelf, ADA, staged)
    catalog.set_clearance(person_named("ada"), LEVELS[1])
    assert reads(shelf, ADA, staged)

    assert catalog.version(staged.version_id).marking == LEVELS[1]
    assert catalog.markings_of([staged.version_id]) == {staged.version_id: LEVELS[1]}


def test_clearance_admits_nobody_by_itself(shelf: Any) -> None:
    staged = shelf.publish()
    shelf.catalog.set_clearance(person_named("bob"), LEVELS[1])

    assert not reads(shelf, BOB, staged)


def test_a_marking_that_is_no_longer_in_use_shuts_everybody_out(
    shelf: Any, url: str, clock: Any
) -> None:
    staged = shelf.publish()
    shelf.catalog.set_marking_rules(shelf.source.source_id, {"*": LEVELS[1]})
    shelf.catalog.set_clearance(person_named("ada"), LEVELS[1])

    later = Catalog.open(url, clock=clock, markings=("PUBLIC",))

    assert not later.gate().may_read(ADA, staged.version_id)
    assert later.highest_marking(["PUBLIC", LEVELS[1], ""]) == LEVELS[1]
    later.close()


def test_a_marking_nobody_uses_is_refused(shelf: Any) -> None:
    with pytest.raises(AccessInvalid, match="OFFICIAL, OFFICIAL-SENSITIVE"):
        shelf.catalog.set_clearance(person_named("ada"), "SECRET")
    with pytest.raises(AccessInvalid, match="no marking"):
        shelf.catalog.set_marking_rules(shelf.source.source_id, {"*": "SECRET"})


def test_without_an_entry_nobody_reads_and_it_is_said(shelf: Any) -> None:
    explained = shelf.catalog.explain(BOB, shelf.publish().document_id)

    assert explained.sentence == (
        "bob cannot read it: no entry admits bob or a group that holds bob."
    )
    assert explained.weighed == ()


def test_the_entry_that_decided_is_named(shelf: Any) -> None:
    staged = shelf.publish("board/may.pdf")
    allowed = shelf.catalog.explain(ADA, staged.document_id)
    enter(shelf, Effect.DENY, group_named("staff"), "board/")

    denied = shelf.catalog.explain(ADA, staged.document_id)

    assert allowed.sentence == (
        "Ada can read it: the groups of the source policies allows group staff."
    )
    assert denied.sentence == (
        "Ada cannot read it: an entry on the folder policies/board/ denies group staff; "
        "denying wins."
    )
    assert [one.decided for one in denied.weighed] == [False, True]


def test_a_missing_clearance_is_named(shelf: Any) -> None:
    staged = shelf.publish()
    shelf.catalog.set_marking_rules(shelf.source.source_id, {"*": LEVELS[0]})

    explained = shelf.catalog.explain(ADA, staged.document_id)

    assert not explained.cleared
    assert "marked OFFICIAL, and Ada is not cleared" in explained.sentence


def test_an_owner_may_ask_why_and_reads_nothing_by_it(shelf: Any) -> None:
    staged = shelf.publish()
    shelf.catalog.set_owners(shelf.source.source_id, [group_named("compliance")])
    owner = Principal("olga", frozenset({"compliance"}))

    assert shelf.catalog.owns(owner, staged.document_id)
    assert not shelf.catalog.owns(ADA, staged.document_id)
    assert not reads(shelf, owner, staged)
    shelf.catalog.withdraw_document(staged.document_id)
    assert not shelf.catalog.owns(owner, staged.document_id)


def test_a_target_is_a_source_a_folder_or_a_document(shelf: Any, tmp_path: Path) -> None:
    catalog, staged = shelf.catalog, shelf.publish("board/may.pdf")
    catalog.add_source(name="policies/board", location=tmp_path, groups=frozenset())

    assert catalog.target("policies").path == ""
    assert catalog.target("policies/").path == ""
    assert catalog.target("policies/boa/").path == "boa/"
    assert catalog.target("policies/board").source.name == "policies/board"
    assert catalog.target(staged.document_id).name == "policies/board/may.pdf"
    for nothing in ("minutes", "policies/may.pdf", ""):
        with pytest.raises(UnknownDocument, match="Nothing goes by"):
            catalog.target(nothing)


def test_rights_of_files_decide_where_the_source_says_so(shelf: Any) -> None:
    catalog, source_id = shelf.catalog, shelf.source.source_id
    may, june = shelf.publish("may.pdf"), shelf.publish("june.pdf")

    catalog.set_rights(source_id, "posix")
    assert not reads(shelf, ADA, may)

    rights = [FileRights("may.pdf", frozenset({person_named("ada")}), unmapped=("gid:7 may read",))]
    assert catalog.take_rights(source_id, rights) == 1
    assert reads(shelf, ADA, may)
    assert not reads(shelf, ADA, june)
    assert catalog.take_rights(source_id, rights) == 0
    assert [(one.files, one.example) for one in catalog.unmapped(source_id)] == [(1, "may.pdf")]

    assert catalog.take_rights(source_id, []) == 1
    assert not reads(shelf, ADA, may)


def test_break_glass_opens_what_two_people_agreed_on_until_its_time(shelf: Any, clock: Any) -> None:
    catalog = shelf.catalog
    may, june = shelf.publish("board/may.pdf"), shelf.publish("june.pdf")
    asked = request(shelf, "board/")
    assert not reads(shelf, BOB, may)

    opened = catalog.approve_opening(asked.request_id, approved_by="carol")

    assert reads(shelf, BOB, may)
    assert not reads(shelf, BOB, june)
    assert "break-glass: Inquest" in catalog.explain(BOB, may.document_id).sentence
    assert catalog.openings(only_open=True, person=person_named("Bob")) == [opened]
    clock.now += timedelta(minutes=30)
    assert not reads(shelf, BOB, may)
    assert catalog.openings(only_open=True) == []


def test_break_glass_is_shut_early_and_not_opened_again(shelf: Any) -> None:
    may, asked = shelf.publish("board/may.pdf"), request(shelf, "board/")
    shelf.catalog.approve_opening(asked.request_id, approved_by="carol")

    shelf.catalog.end_opening(asked.request_id)

    assert not reads(shelf, BOB, may)
    with pytest.raises(AccessInvalid, match="decided before"):
        shelf.catalog.approve_opening(asked.request_id, approved_by="carol")


@pytest.mark.parametrize("approver", ["Bob", "dora"])
def test_nobody_agrees_with_themselves(shelf: Any, approver: str) -> None:
    asked = request(shelf, "board/")

    with pytest.raises(AccessInvalid, match="second person"):
        shelf.catalog.approve_opening(asked.request_id, approved_by=approver)


def test_a_denial_stands_against_break_glass(shelf: Any) -> None:
    may, asked = shelf.publish("board/may.pdf"), request(shelf, "board/")
    enter(shelf, Effect.DENY, person_named("bob"))

    shelf.catalog.approve_opening(asked.request_id, approved_by="carol")

    assert not reads(shelf, BOB, may)


@pytest.mark.parametrize(("reason", "minutes"), [(" ", 10), ("Inquest", 0), ("Inquest", 99_999)])
def test_break_glass_needs_a_reason_and_an_end(shelf: Any, reason: str, minutes: int) -> None:
    with pytest.raises(AccessInvalid):
        request(shelf, "", reason=reason, minutes=minutes)


def request(shelf: Any, path: str, *, reason: str = "Inquest", minutes: int = 20) -> Any:
    return shelf.catalog.request_opening(
        person="bob",
        source_id=shelf.source.source_id,
        path=path,
        reason=reason,
        minutes=minutes,
        requested_by="dora",
    )
