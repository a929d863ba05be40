"""A directory decides about the accounts that came from it, and about nothing else."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from audit.errors import AuditUnavailable
from audit.log import AuditLog
from corpus.access import Named, group_named, person_named
from corpus.catalog import Catalog
from rag.directory import DirectorySync, Kind
from rag.directory_book import DirectoryBook, DirectoryGroup, DirectoryPerson, Snapshot
from rag.errors import DirectoryInvalid, DirectoryStopped, NotSignedIn
from rag.identity import Identity

PASSWORD = "correct horse battery"
OFFICE = "office"


class Site:
    """What a directory is brought into, everything real."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        self.identity = Identity.open(f"sqlite:///{folder}/service.db", hasher=hasher)
        self.catalog = Catalog.open(f"sqlite:///{folder}/catalog.db")
        self.record = AuditLog.open(folder / "audit")
        self.book = DirectoryBook(self.identity.store)
        self.sync = DirectorySync(self.identity, self.book, self.catalog, self.record)

    def take(self, snapshot: Snapshot, **more: object) -> list[str]:
        plan = self.sync.apply(OFFICE, snapshot, actor="ada", **more)  # type: ignore[arg-type]
        return [f"{step.kind} {step.name}" for step in plan.steps]

    def locked(self) -> set[str]:
        return {one.name for one in self.identity.accounts() if one.disabled_by}

    def names(self, person: str) -> set[str]:
        principal = self.identity.principal_named(person)
        return {one.name for one in self.catalog.names(principal)} - {person}

    def events(self) -> list[str]:
        return [entry.type for entry in self.record.entries(limit=500)]

    def close(self) -> None:
        for part in (self.identity, self.catalog, self.record):
            part.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(Site(tmp_path)) as site:
        yield site


def people(*names: str) -> tuple[DirectoryPerson, ...]:
    return tuple(DirectoryPerson(f"id-{name}", name) for name in names)


def group(name: str, *members: str) -> DirectoryGroup:
    return DirectoryGroup(f"g-{name}", name, frozenset(members))


STAFF = Snapshot(
    people("bea", "cem", "dov", "eve"),
    (group("staff", "id-bea", "g-partners", "id-eve"), group("partners", "id-cem")),
)


def test_people_groups_and_nested_groups_are_taken_over(site: Site) -> None:
    site.take(STAFF)

    assert [one.name for one in site.identity.accounts()] == ["bea", "cem", "dov", "eve"]
    assert site.names("cem") == {"partners", "staff"}
    assert site.names("bea") == {"staff"}
    assert site.names("dov") == set()


def test_taking_the_same_over_again_changes_nothing_and_leaves_no_event(site: Site) -> None:
    site.take(STAFF)
    events, epoch = site.events(), site.catalog.access_epoch()

    assert site.take(STAFF) == []

    assert site.events() == events
    assert site.catalog.access_epoch() == epoch


def test_a_plan_says_what_would_change_and_changes_nothing(site: Site) -> None:
    plan = site.sync.plan(OFFICE, STAFF)

    assert (plan.people, plan.groups, plan.changes) == (4, 2, 8)
    assert plan.sentence() == "4 people, 2 groups: 4 add, 4 join."
    assert site.identity.accounts() == []
    assert site.catalog.groups() == {}
    assert site.events() == []


def test_who_is_named_no_longer_is_locked_and_keeps_everything(site: Site) -> None:
    site.take(STAFF)
    site.identity.set_password("eve", PASSWORD)
    session = site.identity.sign_in("eve", PASSWORD).token

    steps = site.take(Snapshot(people("bea", "cem", "dov"), STAFF.groups))

    assert steps == ["lock eve", "leave staff", "member unknown staff"]
    assert site.locked() == {"eve"}
    with pytest.raises(NotSignedIn):
        site.identity.principal_of(session)


def test_who_comes_back_under_the_same_id_is_who_they_were(site: Site) -> None:
    site.take(STAFF)
    site.take(Snapshot(people("bea", "cem", "dov"), STAFF.groups))

    assert site.take(STAFF) == ["unlock eve", "join staff"]

    assert site.locked() == set()


def test_somebody_else_of_the_same_name_does_not_get_the_account(site: Site) -> None:
    site.take(STAFF)
    stranger = DirectoryPerson("id-another-eve", "eve")
    others = people("bea", "cem", "dov")

    steps = site.take(Snapshot((*others, stranger), (group("staff", "id-another-eve"),)))

    assert "name taken eve" in steps
    assert site.locked() == {"eve"}
    assert site.catalog.memberships("directory:office") == set()


def test_an_account_of_this_house_is_handed_over_only_by_name(site: Site) -> None:
    site.identity.add_account("bea", PASSWORD)
    staff = Snapshot(people("bea", "cem"), (group("staff", "id-bea", "id-cem"),))

    assert site.take(staff) == ["add cem", "join staff", "name taken bea"]
    assert site.names("bea") == set()
    site.take(Snapshot(people("cem")), accept=True)
    assert site.locked() == set()

    assert site.take(staff, adopt=["Bea"]) == ["adopt bea", "join staff", "join staff"]
    assert site.names("bea") == {"staff"}


def test_an_account_somebody_left_can_be_handed_to_who_has_the_name_now(site: Site) -> None:
    site.take(STAFF)
    again = DirectoryPerson("id-eve-2", "eve")
    now = Snapshot((*people("bea", "cem", "dov"), again))
    site.take(now, accept=True)
    assert site.locked() == {"eve"}

    assert site.take(now, adopt=["eve"]) == ["adopt eve"]

    assert site.locked() == set()
    assert site.take(now) == []


def test_a_removed_account_stays_removed_and_its_name_taken(site: Site) -> None:
    site.take(STAFF)
    site.identity.remove_account("eve")

    assert site.take(STAFF) == ["leave staff", "left as it is eve"]
    assert site.take(Snapshot((*STAFF.people[:3], DirectoryPerson("x", "eve"))), accept=True)
    assert {one.name for one in site.identity.accounts()} == {"bea", "cem", "dov"}


def test_a_person_whom_the_directory_locks_is_locked(site: Site) -> None:
    site.take(STAFF)
    locked = replace(STAFF.people[0], active=False)

    assert site.take(Snapshot((locked, *STAFF.people[1:]), STAFF.groups)) == ["lock bea"]

    assert site.locked() == {"bea"}


def test_a_directory_does_not_open_what_an_operator_locked(site: Site) -> None:
    site.take(STAFF)
    site.identity.disable_account("bea", by="operator")

    assert site.take(STAFF) == ["left as it is bea"]

    assert site.locked() == {"bea"}


def test_a_renamed_person_keeps_account_and_groups(site: Site) -> None:
    site.take(STAFF)
    renamed = replace(STAFF.people[0], name="beatrix")

    assert site.take(Snapshot((renamed, *STAFF.people[1:]), STAFF.groups)) == ["renamed bea"]

    assert site.names("bea") == {"staff"}


@pytest.mark.parametrize("left", [0, 1, 2])
def test_locking_too_many_at_once_is_stopped_until_somebody_agrees(site: Site, left: int) -> None:
    site.take(STAFF)
    fewer = Snapshot(STAFF.people[:left], ())

    with pytest.raises(DirectoryStopped, match=f"lock {4 - left} of the 4 people") as stopped:
        site.take(fewer)

    assert "--accept" in str(stopped.value)
    assert site.locked() == set()
    assert site.names("cem") == {"partners", "staff"}
    assert [run.outcome for run in site.book.runs()] == ["stopped"]
    site.take(fewer, accept=True)
    assert len(site.locked()) == 4 - left


def test_emptying_the_groups_is_stopped_too_because_walls_stand_on_them(site: Site) -> None:
    names = [f"p{number}" for number in range(12)]
    everyone = tuple(f"id-{name}" for name in names)
    full = Snapshot(people(*names), (group("walled", *everyone),))
    site.take(full)

    with pytest.raises(DirectoryStopped, match="end 12 of the 12 memberships"):
        site.take(Snapshot(full.people, (group("walled"),)))

    assert len(site.catalog.memberships("directory:office")) == 12


@pytest.mark.parametrize(
    "unclear",
    [
        Snapshot((DirectoryPerson("1", "bea"), DirectoryPerson("1", "cem"))),
        Snapshot((), (DirectoryGroup("1", "staff"), DirectoryGroup("2", "staff"))),
        Snapshot((DirectoryPerson("1", "bea"),), (DirectoryGroup("1", "staff"),)),
        Snapshot((DirectoryPerson("", "bea"),)),
        Snapshot((), (DirectoryGroup("1", "st\x00aff"),)),
        Snapshot((DirectoryPerson("x" * 201, "bea"),)),
    ],
)
def test_what_does_not_say_whom_it_means_is_not_taken_over(site: Site, unclear: Snapshot) -> None:
    with pytest.raises(DirectoryInvalid, match="Nothing was taken over"):
        site.take(unclear)


def test_one_name_for_two_people_gives_it_to_the_first_alone(site: Site) -> None:
    twins = (DirectoryPerson("1", "bea"), DirectoryPerson("2", "BEA"))

    steps = site.take(Snapshot(twins, (DirectoryGroup("g", "staff", frozenset({"2"})),)))

    assert steps == ["add bea", "name taken BEA"]
    assert site.names("bea") == set()


def test_a_name_that_no_account_can_have_is_said_and_left_out(site: Site) -> None:
    odd = DirectoryPerson("1", "bea\u202e; drop")

    with pytest.raises(DirectoryInvalid):
        site.take(Snapshot((odd,)))
    plan = site.sync.plan(OFFICE, Snapshot((DirectoryPerson("1", "b e a"),)))
    assert [step.kind for step in plan.steps] == [Kind.UNUSABLE]


def test_circles_of_groups_are_harmless(site: Site) -> None:
    circle = (group("a", "g-b"), group("b", "g-c"), group("c", "g-a", "id-bea"))

    site.take(Snapshot(people("bea"), circle))

    assert site.names("bea") == {"a", "b", "c"}


def test_memberships_given_by_hand_and_by_others_stay(site: Site) -> None:
    site.take(STAFF)
    site.catalog.add_member("staff", person_named("dov"))
    site.sync.apply("other", Snapshot((), (group("guests"),)), actor="ada")

    site.take(Snapshot(STAFF.people, ()))

    assert site.names("dov") == {"staff"}
    assert site.names("bea") == set()


def test_identifiers_of_file_systems_stand_for_the_directorys_people_and_groups(
    site: Site,
) -> None:
    bea = replace(STAFF.people[0], identifiers=("uid:1000", "S-1-5-21-1-2-3-1104"))
    staff = replace(STAFF.groups[0], identifiers=("S-1-5-21-1-2-3-513",))

    site.take(Snapshot((bea, *STAFF.people[1:]), (staff, STAFF.groups[1])))

    assert site.catalog.identities() == {
        "uid:1000": Named.of_key("person:bea"),
        "S-1-5-21-1-2-3-1104": person_named("bea"),
        "S-1-5-21-1-2-3-513": group_named("staff"),
    }


def test_every_change_is_on_record_with_who_and_what(site: Site) -> None:
    site.take(STAFF)
    site.take(Snapshot(people("bea", "cem", "dov"), STAFF.groups))

    entries = site.record.entries(limit=500)
    told = [str(entry.payload) for entry in entries]

    assert {entry.person for entry in entries if entry.type != "group.sync"} == {"ada"}
    for said in ("lock: the directory names them no longer", "person:eve out of the group staff"):
        assert any(said in one for one in told), said
    assert [entry.envelope["added"] for entry in entries if entry.type == "group.sync"] == [4, 0]


def test_nothing_changes_while_the_record_is_away(site: Site) -> None:
    site.take(STAFF)
    holder = sqlite3.connect(site.folder / "audit" / "audit.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(AuditUnavailable):
        site.take(Snapshot(STAFF.people[:3], ()))

    holder.close()

    assert site.locked() == set()


def test_a_synchronisation_cut_short_is_finished_by_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(site.catalog, "replace_members", dies)
        with pytest.raises(KeyboardInterrupt):
            site.take(STAFF)
    assert site.names("cem") == set()

    site.take(STAFF)

    assert site.names("cem") == {"partners", "staff"}
