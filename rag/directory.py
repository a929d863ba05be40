"""Take people, groups and memberships over from a directory: plan first, then do, all on record.

A directory decides about the accounts that came from it and about no others. What it names no
longer is locked, never removed; what it empties in one go is refused until somebody agrees.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from audit.events import AccessChanged, GroupsSynchronised, UserChanged
from audit.log import AuditLog
from corpus.access import Named, group_named, person_named
from corpus.catalog import Catalog
from rag.directory_book import DirectoryBook, HeldName, Known, KnownPerson, Snapshot
from rag.errors import DirectoryStopped, RagError
from rag.identity import Identity
from rag.names import checked_name, comparable

ORIGIN: Final = "directory:"
USUAL_SHARE: Final = 0.2
FEWEST_MEMBERSHIPS: Final = 5
"""Fewer memberships than this may end in one go, however large their share is."""
LISTED: Final = 40
"""Names that one event lists; further ones stand in the next."""
EVERYBODY: Final = "*"


class Kind(StrEnum):
    """What a step of a plan does. The last five change nothing: they say why not."""

    DISABLE = "lock"
    LEAVE = "leave"
    ENABLE = "unlock"
    ADOPT = "adopt"
    ADD = "add"
    JOIN = "join"
    IDENTIFY = "identify"
    CONFLICT = "name taken"
    UNUSABLE = "name unusable"
    RENAMED = "renamed"
    KEPT = "left as it is"
    NOBODY = "member unknown"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a synchronisation does, or says.

    Attributes:
        kind: What.
        name: The account, the group, or the identifier of a file system.
        detail: In words.
    """

    kind: Kind
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a synchronisation would do.

    Attributes:
        steps: In the order in which they are done.
        people: How many active people the directory names.
        groups: How many groups it names.
        stopped: Why it will not be done unless somebody agrees; empty where it will.
    """

    steps: tuple[Step, ...]
    people: int
    groups: int
    stopped: str = ""

    def of(self, *kinds: Kind) -> list[Step]:
        """Return the steps of some kinds."""
        return [step for step in self.steps if step.kind in kinds]

    @property
    def changes(self) -> int:
        """How many steps change something."""
        return len(self.of(*CHANGING))

    def sentence(self) -> str:
        """Say what it does, in one sentence."""
        counted = [f"{len(self.of(kind))} {kind}" for kind in Kind if self.of(kind)]
        people = f"{self.people} {'person' if self.people == 1 else 'people'}"
        groups = f"{self.groups} group{'' if self.groups == 1 else 's'}"
        return f"{people}, {groups}: {', '.join(counted) or 'no change'}."


CHANGING: Final = (
    Kind.DISABLE, Kind.LEAVE, Kind.ENABLE, Kind.ADOPT, Kind.ADD, Kind.JOIN, Kind.IDENTIFY
)  # fmt: skip


class _Membership(NamedTuple):
    group: str
    member: Named


class DirectorySync:
    """Brings accounts and memberships into step with a directory.

    Args:
        identity: The accounts.
        book: What directories said last.
        catalog: Keeps memberships, and whom identifiers of file systems stand for.
        record: Every change is put there before it holds.
        share: A synchronisation that would lock more than this part of a directory's people, or
            end more than this part of its memberships, is stopped.
    """

    def __init__(
        self,
        identity: Identity,
        book: DirectoryBook,
        catalog: Catalog,
        record: AuditLog,
        *,
        share: float = USUAL_SHARE,
    ) -> None:
        self._identity = identity
        self._book = book
        self._catalog = catalog
        self._record = record
        self._share = share

    def plan(self, name: str, snapshot: Snapshot, *, adopt: Collection[str] = ()) -> Plan:
        """Return what taking a directory over would do; does nothing.

        Args:
            name: What the directory is called here.
            snapshot: Everything it names.
            adopt: Names of accounts that it may take over, which are not its own so far; "*"
                for every name it gives.

        Raises:
            DirectoryInvalid: It cannot be known whom the directory means.
        """
        return self._planned(name, snapshot, adopt=adopt)[0]

    def apply(
        self,
        name: str,
        snapshot: Snapshot,
        *,
        actor: str,
        adopt: Collection[str] = (),
        accept: bool = False,
    ) -> Plan:
        """Take a directory over.

        What takes access away comes first. Cut short anywhere, the next synchronisation does the
        rest.

        Args:
            name: What the directory is called here.
            snapshot: Everything it names.
            actor: Who asked for it; a name beginning with "directory:" where it was the clock.
            adopt: See ``plan``.
            accept: Lock and take out however many there are.

        Raises:
            DirectoryInvalid: It cannot be known whom the directory means.
            DirectoryStopped: Too many would lose access at once.
            AuditUnavailable: Nothing holds that is not on record.
        """
        plan, accounts = self._planned(name, snapshot, adopt=adopt)
        if plan.stopped and not accept:
            self._book.note_run(name, "stopped", plan.stopped)
            raise DirectoryStopped(plan.stopped)
        self._note_people(actor, plan.of(Kind.DISABLE))
        for step in plan.of(Kind.DISABLE):
            self._identity.disable_account(step.name, by=ORIGIN + name)
        self._note_people(actor, plan.of(Kind.ENABLE, Kind.ADOPT, Kind.ADD))
        for step in plan.of(Kind.ADD):
            self._identity.add_directory_account(step.name)
        for step in plan.of(Kind.ENABLE, Kind.ADOPT):
            self._identity.enable_account(step.name, by=ORIGIN + name)
        self._book.replace(name, snapshot, self._account_ids(accounts))
        self._take_memberships(name, snapshot, accounts, plan, actor)
        self._book.note_run(name, "done", plan.sentence())
        return plan

    def note_failure(self, name: str, why: str) -> None:
        """Keep that a directory could not be taken over, for whoever asks how it stands."""
        self._book.note_run(name, "failed", why)

    # What would be done

    def _planned(
        self, name: str, snapshot: Snapshot, *, adopt: Collection[str]
    ) -> tuple[Plan, dict[str, str]]:
        snapshot.check()
        known, held = self._book.known(name), self._book.held_names()
        steps, accounts = _people_steps(snapshot, known, held, by=ORIGIN + name, adopt=adopt)
        wanted, unknown = _memberships(snapshot, accounts)
        before = {
            _Membership(group, member) for group, member in self._catalog.memberships(ORIGIN + name)
        }
        steps += _membership_steps(before - wanted, Kind.LEAVE)
        steps += _membership_steps(wanted - before, Kind.JOIN)
        steps += self._identity_steps(snapshot, accounts)
        steps += unknown
        order = list(Kind)
        plan = Plan(
            tuple(sorted(steps, key=lambda step: (order.index(step.kind), step.name))),
            people=sum(one.active for one in snapshot.people),
            groups=len(snapshot.groups),
        )
        reason = self._too_many(plan, known, len(before))
        return Plan(plan.steps, plan.people, plan.groups, reason), accounts

    def _too_many(self, plan: Plan, known: Known, memberships: int) -> str:
        active = sum(1 for one in known.people.values() if one.account and not one.disabled_by)
        locked, ended = len(plan.of(Kind.DISABLE)), len(plan.of(Kind.LEAVE))
        what = ""
        if locked > max(1, self._share * active):
            what = f"lock {locked} of the {active} people it named before"
        elif ended >= FEWEST_MEMBERSHIPS and ended > self._share * memberships:
            what = f"end {ended} of the {memberships} memberships it gave before"
        if not what:
            return ""
        return (
            f"The directory would {what}, more than the {self._share:.0%} that are allowed at "
            "once, so nothing was changed. If that is right, run "
            "`muniment directory sync --accept`; if not, correct the directory."
        )

    def _identity_steps(self, snapshot: Snapshot, accounts: Mapping[str, str]) -> list[Step]:
        known = self._catalog.identities()
        return [
            Step(Kind.IDENTIFY, identifier, f"stands for {stands_for.key}")
            for identifier, stands_for in sorted(_identities(snapshot, accounts).items())
            if known.get(identifier) != stands_for
        ]

    # Doing it

    def _note_people(self, actor: str, steps: Iterable[Step]) -> None:
        changes = [UserChanged(actor, one.name, f"{one.kind}: {one.detail}") for one in steps]
        if changes:
            self._record.append_all(changes)

    def _account_ids(self, accounts: Mapping[str, str]) -> dict[str, str]:
        held = self._book.held_names()
        return {
            person_id: held[comparable(account)].account_id
            for person_id, account in accounts.items()
        }

    def _take_memberships(
        self,
        name: str,
        snapshot: Snapshot,
        accounts: Mapping[str, str],
        plan: Plan,
        actor: str,
    ) -> None:
        wanted, _ = _memberships(snapshot, accounts)
        ended, begun = plan.of(Kind.LEAVE), plan.of(Kind.JOIN)
        for verb, steps in (("out of", ended), ("into", begun)):
            for group in sorted({step.name for step in steps}):
                for who in _listed(step.detail for step in steps if step.name == group):
                    change = f"{who} {verb} the group {group}, by the directory {name}"
                    self._record.append(AccessChanged(actor, "group", "", change))
        identities = _identities(snapshot, accounts)
        told = plan.of(Kind.IDENTIFY)
        for said in _listed(f"{step.name} {step.detail}" for step in told):
            self._record.append(AccessChanged(actor, "identities", "", said))
        if told:
            self._catalog.know_identities({step.name: identities[step.name] for step in told})
        members: dict[str, list[Named]] = {}
        for membership in wanted:
            members.setdefault(membership.group, []).append(membership.member)
        if plan.changes:
            self._record.append(
                GroupsSynchronised(name, plan.people, plan.groups, len(begun), len(ended))
            )
        self._catalog.replace_members(members, origin=ORIGIN + name)


def _people_steps(
    snapshot: Snapshot,
    known: Known,
    held: Mapping[str, HeldName],
    *,
    by: str,
    adopt: Collection[str],
) -> tuple[list[Step], dict[str, str]]:
    """Return what happens to accounts, and the account of each person who has one."""
    steps: list[Step] = []
    accounts: dict[str, str] = {}
    taken: set[str] = set()
    for person in snapshot.people:
        before = known.people.get(person.person_id)
        if before is not None and before.account:
            steps += _known_steps(before, person.name, by, active=person.active)
            if not before.removed:
                accounts[person.person_id] = before.account
            continue
        step = _new_step(person.name, held.get(comparable(person.name)), taken, adopt=adopt)
        if step.kind in {Kind.ADD, Kind.ADOPT}:
            if not person.active:
                continue
            taken.add(comparable(person.name))
            accounts[person.person_id] = step.name
        steps.append(step)
    present = {one.person_id for one in snapshot.people}
    steps += [
        Step(Kind.DISABLE, one.account, "the directory names them no longer")
        for person_id, one in known.people.items()
        if person_id not in present and one.account and not (one.disabled_by or one.removed)
    ]
    return steps, accounts


def _known_steps(before: KnownPerson, name: str, by: str, *, active: bool) -> list[Step]:
    account = before.account
    if before.removed:
        return [Step(Kind.KEPT, account, "an operator removed the account")]
    steps = []
    if comparable(name) != comparable(account):
        detail = f"the directory calls them {name}; the account keeps its name, as the record does"
        steps.append(Step(Kind.RENAMED, account, detail))
    if not active and not before.disabled_by:
        steps.append(Step(Kind.DISABLE, account, "the directory has locked them"))
    elif active and before.disabled_by == by:
        steps.append(Step(Kind.ENABLE, account, "the directory names them again"))
    elif active and before.disabled_by:
        steps.append(Step(Kind.KEPT, account, f"locked by {before.disabled_by}"))
    return steps


def _new_step(
    name: str, holder: HeldName | None, taken: set[str], *, adopt: Collection[str]
) -> Step:
    try:
        name = checked_name(name)
    except RagError as error:
        return Step(Kind.UNUSABLE, name, str(error))
    if holder is None and comparable(name) not in taken:
        return Step(Kind.ADD, name, "new in the directory")
    if holder is None or comparable(name) in taken:
        return Step(Kind.CONFLICT, name, "the directory gives the name to two people")
    if holder.removed or (holder.origin and not holder.gone):
        whose = "that was removed" if holder.removed else f"of somebody in {holder.origin}"
        return Step(Kind.CONFLICT, name, f"it belongs to an account {whose}")
    if EVERYBODY in adopt or comparable(name) in {comparable(one) for one in adopt}:
        return Step(Kind.ADOPT, holder.name, "the directory decides about the account from now on")
    whose = "to somebody the directory named before" if holder.gone else "to this house"
    detail = f"the account belongs {whose}; --adopt {name} hands it over"
    return Step(Kind.CONFLICT, name, detail)


def _memberships(
    snapshot: Snapshot, accounts: Mapping[str, str]
) -> tuple[set[_Membership], list[Step]]:
    """Return who is in which group, by the names used here, and what names nobody."""
    groups = {one.group_id: one.name for one in snapshot.groups}
    people = {one.person_id for one in snapshot.people}
    found: set[_Membership] = set()
    unknown: list[Step] = []
    for group in snapshot.groups:
        strangers = 0
        for member in group.members:
            if member in groups:
                found.add(_Membership(group.name, group_named(groups[member])))
            elif member in accounts:
                found.add(_Membership(group.name, person_named(accounts[member])))
            elif member not in people:
                strangers += 1
        if strangers:
            detail = f"{strangers} of its members are not among the people and groups read"
            unknown.append(Step(Kind.NOBODY, group.name, detail))
    return found, unknown


def _membership_steps(memberships: Iterable[_Membership], kind: Kind) -> list[Step]:
    return [Step(kind, one.group, one.member.key) for one in sorted(memberships)]


def _identities(snapshot: Snapshot, accounts: Mapping[str, str]) -> dict[str, Named]:
    found = {
        identifier: group_named(group.name)
        for group in snapshot.groups
        for identifier in group.identifiers
    }
    for person in snapshot.people:
        if person.person_id in accounts:
            named = person_named(accounts[person.person_id])
            found |= dict.fromkeys(person.identifiers, named)
    return found


def _listed(names: Iterable[str]) -> Iterator[str]:
    given = list(names)
    for start in range(0, len(given), LISTED):
        yield ", ".join(given[start : start + LISTED])
