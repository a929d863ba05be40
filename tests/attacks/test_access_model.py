"""Whatever happens in whatever order, nobody reaches a byte of a document they may not read."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from corpus.access import Effect
from corpus.documents import VersionId
from corpus.embedding import Embedder
from tests.attacks.world import GROUPS, PEOPLE, World, canary_of, named, text_of

PATHS = ("open/a.txt", "open/b.txt", "board/c.txt", "board/2026/d.txt", "e.txt")
SCOPES = ("", "open/", "board/", "board/2026/", *PATHS)
BY_CANARY = {canary_of(path): path for path in PATHS}

RESTART_AFTER = 15
"""Steps from one restart to the next: it takes as long as twenty others."""

people = some.sampled_from(PEOPLE)
principals = some.sampled_from((*PEOPLE, *GROUPS))
scopes = some.sampled_from(SCOPES)
paths = some.sampled_from(PATHS)


class Oracle:
    """Who may read what, by trying everything."""

    def __init__(self) -> None:
        self.entries: set[tuple[str, str, str]] = set()
        self.members: set[tuple[str, str]] = set()
        self.present: set[str] = set()

    def names(self, person: str) -> set[str]:
        found = {person}
        while more := {group for group, member in self.members if member in found} - found:
            found |= more
        return found

    def readable(self, person: str) -> set[str]:
        names, readable = self.names(person), set()
        for path in self.present:
            bearing = {
                (effect, name)
                for scope, effect, name in self.entries
                if scope in ("", path) or (scope[-1:] == "/" and path.startswith(scope))
            }
            effects = {effect for effect, name in bearing if name in names}
            if effects == {"allow"}:
                readable.add(path)
        return readable  # fmt: skip


class Office(RuleBasedStateMachine):
    """Operators change things, people ask, and after every step everybody looks everywhere."""

    embedder: ClassVar[Embedder]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Path(tempfile.mkdtemp(prefix="muniment-model-")), self.embedder)
        self.oracle = Oracle()
        self.ids: dict[str, str] = {}
        self.versions: dict[str, list[VersionId]] = {}
        self.edition = 0
        self.talks: list[tuple[str, str]] = []
        self.turn = self.restarted = 0

    def teardown(self) -> None:
        self.world.destroy()

    @initialize(chosen=some.sets(paths, min_size=2), person=people, group=some.sampled_from(GROUPS))
    def begin(self, chosen: set[str], person: str, group: str) -> None:
        for path in sorted(chosen):
            self.put(path)
        self.put_into(group, person)
        self.enter("", Effect.ALLOW, group)

    @rule(path=paths)
    def put(self, path: str) -> None:
        self.edition += 1
        self.ids[path] = self.world.put(path, text_of(path, self.edition))
        self.oracle.present.add(path)
        known = self.world.catalog.versions_of(self.ids[path])  # type: ignore[arg-type]
        self.versions[path] = [
            one.version_id for one in sorted(known, key=lambda version: version.number)
        ]

    @precondition(lambda self: self.oracle.present)
    @rule(place=some.integers(0, 4))
    def withdraw(self, place: int) -> None:
        path = sorted(self.oracle.present)[place % len(self.oracle.present)]
        self.world.withdraw(self.ids[path])
        self.oracle.present.discard(path)

    @rule(scope=scopes, principal=principals)
    def allow(self, scope: str, principal: str) -> None:
        self.enter(scope, Effect.ALLOW, principal)

    @rule(scope=scopes, principal=principals)
    def deny(self, scope: str, principal: str) -> None:
        self.enter(scope, Effect.DENY, principal)

    @rule(scope=scopes, principal=principals)
    def remove(self, scope: str, principal: str) -> None:
        self.world.catalog.remove_entries(
            source_id=self.world.source.source_id, path=scope, principal=named(principal)
        )
        self.oracle.entries -= {(scope, effect, principal) for effect in ("allow", "deny")}

    @precondition(lambda self: self.oracle.entries)
    @rule(place=some.integers(0, 30))
    def revoke(self, place: int) -> None:
        scope, _, principal = sorted(self.oracle.entries)[place % len(self.oracle.entries)]
        self.remove(scope, principal)

    @rule(group=some.sampled_from(GROUPS), member=principals)
    def put_into(self, group: str, member: str) -> None:
        self.world.catalog.add_member(group, named(member))
        self.oracle.members.add((group, member))

    @rule(group=some.sampled_from(GROUPS), member=principals)
    def take_out(self, group: str, member: str) -> None:
        self.world.catalog.remove_member(group, named(member))
        self.oracle.members.discard((group, member))

    @rule(person=people)
    def ask(self, person: str) -> None:
        turn = self.world.ask(person)
        self.talks = [*self.talks, (person, turn["conversation_id"])][-4:]
        self.check(person, str(turn["answer"]))

    @precondition(lambda self: self.talks)
    @rule(place=some.integers(0, 3))
    def follow_up(self, place: int) -> None:
        person, conversation = self.talks[place % len(self.talks)]
        turn = self.world.ask(person, "And when was it agreed?", conversation)
        self.check(person, str(turn["answer"]))

    @precondition(lambda self: self.talks)
    @rule(place=some.integers(0, 3), colleague=people)
    def share(self, place: int, colleague: str) -> None:
        person, conversation = self.talks[place % len(self.talks)]
        if colleague != person:
            path = f"/v1/conversations/{conversation}/shares"
            assert self.world.post(person, path, {"person": colleague}).status_code == 204

    @precondition(lambda self: self.talks)
    @rule(place=some.integers(0, 3), reader=people)
    def export(self, place: int, reader: str) -> None:
        _, conversation = self.talks[place % len(self.talks)]
        reply = self.world.get(reader, f"/v1/conversations/{conversation}/export")
        self.check(reader, reply.text)

    @rule()
    def tell_the_index(self) -> None:
        self.world.pipeline.apply_access()

    @precondition(lambda self: self.turn - self.restarted >= RESTART_AFTER)
    @rule()
    def restart(self) -> None:
        self.restarted = self.turn
        self.world.restart()

    @invariant()
    def nobody_reaches_what_is_not_theirs(self) -> None:
        Office.steps += 1
        self.turn += 1
        gate, catalog = self.world.parts.gate, self.world.catalog
        for person in PEOPLE:
            principal = self.world.principal(person)
            allowed = self.oracle.readable(person)
            listed, total = catalog.readable_documents(principal)
            assert {one.version.path for one in listed} == allowed
            assert total == len(allowed)
            may = {path for path in self.oracle.present
                   if gate.may_read(principal, self.versions[path][-1])}  # fmt: skip
            assert may == allowed
        self.look_everywhere(PEOPLE[self.turn % len(PEOPLE)])

    def look_everywhere(self, person: str) -> None:
        """Take every third way in at each step, so that each person goes all of them."""
        ways = [self.look_in_the_library, self.look_in_conversations, self.look_at_documents]
        ways[self.turn // len(PEOPLE) % len(ways)](person)
        self.check(person, self.world.search(person).text)

    def look_in_the_library(self, person: str) -> None:
        listed = self.world.get(person, "/v1/documents").json()
        assert {one["path"] for one in listed["documents"]} == self.oracle.readable(person)
        for path in self.oracle.present:
            document_id: Any = self.ids[path]
            explained = self.world.catalog.explain(self.world.principal(person), document_id)
            assert explained.may_read == (path in self.oracle.readable(person))

    def look_in_conversations(self, person: str) -> None:
        self.check(person, self.world.get(person, "/v1/conversations").text)
        for conversation in {conversation for _, conversation in self.talks}:
            self.check(person, self.world.get(person, f"/v1/conversations/{conversation}").text)

    def look_at_documents(self, person: str) -> None:
        path = PATHS[self.turn // 9 % len(PATHS)]
        seen = [self.world.get(person, f"/v1/documents/{self.ids.get(path, 'none')}").text]
        for version_id in self.versions.get(path, [])[-2:]:
            seen.append(self.world.get(person, f"/v1/versions/{version_id}/original").text)
            place = f"/v1/versions/{version_id}/passage"
            seen.append(self.world.get(person, place, start=0, end=30).text)
        self.check(person, "\n".join(seen))

    def check(self, person: str, seen: str) -> None:
        reached = {path for canary, path in BY_CANARY.items() if canary in seen}
        assert reached <= self.oracle.readable(person), (person, reached)

    def enter(self, scope: str, effect: Effect, principal: str) -> None:
        self.world.catalog.add_entry(
            source_id=self.world.source.source_id,
            path=scope,
            effect=effect,
            principal=named(principal),
        )
        self.oracle.entries.add((scope, effect.value, principal))


@pytest.fixture
def office(embedder: Embedder) -> Iterator[type[Office]]:
    Office.embedder, Office.steps = embedder, 0
    yield Office
    print(f"steps: {Office.steps}")


def go(office: Any, *, examples: int, steps: int, derandomize: bool) -> None:
    run_state_machine_as_test(
        office,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_nobody_reaches_a_byte_outside_their_set_in_500_steps(office: type[Office]) -> None:
    go(office, examples=12, steps=50, derandomize=True)

    assert office.steps >= 500


@pytest.mark.long
@pytest.mark.timeout(14_400)
def test_nobody_reaches_a_byte_outside_their_set_in_10_000_steps(office: type[Office]) -> None:
    while office.steps < 10_000:
        go(office, examples=10, steps=60, derandomize=False)
        print(f"steps so far: {office.steps}", flush=True)
