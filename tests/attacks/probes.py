"""Attempts to read what one may not, each failing with ``AssertionError`` when it succeeds.

Each is a test of its own, named after its attack, and the one that catches the loss of the guard
it tries: see ``test_access_mutations``.
"""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx

from corpus.access import Effect, person_named
from corpus.index import Rankings
from rag.generation import ModelServer
from tests.attacks.world import LEVELS, PATIENCE_SECONDS, World, canary_of, named, text_of

Probe = Callable[[World], None]

SECRET, OPEN = "fin/secret.txt", "open/notice.txt"
CANARY = canary_of(SECRET)


def furnish(world: World) -> str:
    """Put in a secret of alice's group and something for all; return the secret's id."""
    world.catalog.add_member("fin", named("alice"))
    for person in ("alice", "bob"):
        world.catalog.add_member("all", named(person))
    enter(world, "fin/", Effect.ALLOW, "fin")
    enter(world, "open/", Effect.ALLOW, "all")
    world.put(OPEN, text_of(OPEN))
    return world.put(SECRET, text_of(SECRET))


def enter(world: World, path: str, effect: Effect, name: str, **more: Any) -> None:
    world.catalog.add_entry(
        source_id=world.source.source_id, path=path, effect=effect, principal=named(name), **more
    )
    world.pipeline.apply_access()


def version_of(world: World, document_id: str) -> str:
    return str(world.catalog.versions_of(document_id)[-1].version_id)  # type: ignore[arg-type]


def revoke(world: World) -> None:
    """Take the secret from alice, without telling the index."""
    world.catalog.remove_member("fin", named("alice"))


def assert_reaches(world: World, person: str) -> None:
    """See that the way in is open to whoever may go it, so that a closed one means something."""
    assert CANARY in world.search(person).text


def a03_lists_counts_and_searches_hold_only_ones_own(world: World) -> None:
    furnish(world)

    listed = world.get("bob", "/v1/documents").json()

    assert [one["path"] for one in listed["documents"]] == [OPEN]
    assert listed["total"] == 1
    assert CANARY not in world.search("bob").text


def a03_the_index_is_asked_for_ones_own_only(world: World) -> None:
    secret = furnish(world)
    found: list[Rankings] = []
    real = world.index.rankings

    def watched(**asked: Any) -> Rankings:
        found.append(real(**asked))
        return found[-1]

    world.index.rankings = watched  # type: ignore[method-assign]
    world.search("bob")

    rankings = [ranking for one in found for ranking in (one.dense, one.sparse, one.documents)]
    assert found
    assert secret not in {one.facts.document_id for ranking in rankings for one in ranking}


def a08_a_copied_address_opens_nothing_for_another(world: World) -> None:
    version_id = version_of(world, furnish(world))
    for place in (
        f"/v1/versions/{version_id}/original",
        f"/v1/versions/{version_id}/passage?start=0&end=30",
    ):
        assert CANARY in world.client.get(place, headers=world.proof("alice")).text

        foreign = world.client.get(place, headers=world.proof("bob"))
        unknown = world.client.get(place.replace(version_id, "0" * 36), headers=world.proof("bob"))

        assert foreign.status_code == unknown.status_code == 404
        assert foreign.content == unknown.content
        assert world.client.get(place).status_code == 401


def a25_one_persons_decision_never_serves_another(world: World) -> None:
    furnish(world)
    assert_reaches(world, "alice")

    assert CANARY not in world.search("bob").text
    assert CANARY not in str(world.ask("bob"))


def a33_taken_out_of_a_group_counts_from_the_next_request(world: World) -> None:
    version_id = version_of(world, furnish(world))
    assert_reaches(world, "alice")

    revoke(world)

    reply = world.get("alice", f"/v1/versions/{version_id}/original")
    assert reply.status_code == 404
    assert CANARY not in world.search("alice").text


def a43_a_search_before_the_index_knows_finds_nothing_lost(world: World) -> None:
    furnish(world)
    assert_reaches(world, "alice")
    world.catalog.add_entry(
        source_id=world.source.source_id,
        path=SECRET,
        effect=Effect.DENY,
        principal=person_named("alice"),
    )
    assert world.catalog.stale_access()

    assert CANARY not in world.search("alice").text


def a43_rights_lost_between_the_search_and_the_gate_count(world: World) -> None:
    furnish(world)
    assert_reaches(world, "alice")
    load = world.catalog.load_chunks

    def lost_meanwhile(chunk_ids: Any) -> Any:
        revoke(world)
        return load(chunk_ids)

    world.catalog.load_chunks = lost_meanwhile  # type: ignore[method-assign]

    assert CANARY not in world.search("alice").text


def a45_scores_tell_nothing_of_what_was_just_lost(world: World) -> None:
    furnish(world)
    world.put("open/dues.txt", "Harbour dues are agreed when the project closes, says the board.")
    enter(world, "", Effect.ALLOW, "carol")
    assert_reaches(world, "carol")
    world.catalog.add_entry(
        source_id=world.source.source_id,
        path="fin/",
        effect=Effect.DENY,
        principal=person_named("carol"),
    )

    at_once = found_by(world, "carol")
    world.pipeline.apply_access()

    assert at_once == found_by(world, "carol")
    assert len(at_once) == 2


def found_by(world: World, person: str) -> list[tuple[str, float, str]]:
    shown = world.search(person).json()["passages"]
    return [(one["path"], one["score"], str(one["found_by"])) for one in shown]


def a44_memory_of_before_the_revocation_is_withheld(world: World) -> None:
    furnish(world)
    enter(world, "open/", Effect.DENY, "alice")
    turn = world.ask("alice")
    assert CANARY in str(turn["answer"])

    revoke(world)

    conversation = f"/v1/conversations/{turn['conversation_id']}"
    assert CANARY not in world.get("alice", conversation).text
    assert CANARY not in world.get("alice", f"{conversation}/export").text
    assert CANARY not in world.get("alice", f"/v1/turns/{turn['turn_id']}").text
    again = world.ask("alice", "And when was it agreed?", turn["conversation_id"])
    assert CANARY not in str(again["answer"])


def a05_a_shared_thread_shows_each_reader_their_own(world: World) -> None:
    furnish(world)
    enter(world, "open/", Effect.DENY, "alice")
    turn = world.ask("alice")
    conversation = f"/v1/conversations/{turn['conversation_id']}"
    assert world.post("alice", f"{conversation}/shares", {"person": "bob"}).status_code == 204

    assert CANARY not in world.get("bob", conversation).text
    assert CANARY not in world.get("bob", f"{conversation}/export").text
    world.catalog.add_member("fin", named("bob"))
    assert CANARY in world.get("bob", conversation).text


def denying_wins_through_nested_groups(world: World) -> None:
    furnish(world)
    world.catalog.add_member("hr", named("fin"))
    assert_reaches(world, "alice")

    enter(world, "", Effect.DENY, "hr")

    assert CANARY not in world.search("alice").text


def an_entry_that_has_ended_opens_nothing(world: World) -> None:
    furnish(world)
    ends = world.clock.now + timedelta(hours=1)
    enter(world, "fin/", Effect.ALLOW, "carol", expires_at=ends)
    assert_reaches(world, "carol")

    world.clock.now = ends

    assert CANARY not in world.search("carol").text


def a_marking_asks_for_clearance(world: World) -> None:
    furnish(world)
    assert_reaches(world, "alice")

    world.catalog.set_marking_rules(world.source.source_id, {"fin/*": LEVELS[1]})
    world.pipeline.apply_access()

    assert CANARY not in world.search("alice").text


class SlowModel:
    """Says one piece and then waits until it is told to go on."""

    def __init__(self) -> None:
        self.spoke, self.go_on = threading.Event(), threading.Event()

    def server(self) -> ModelServer:
        return ModelServer(
            url="http://model", name="slow", transport=httpx.MockTransport(self._reply)
        )

    def _reply(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/chat/completions"):
            return httpx.Response(404)
        return httpx.Response(200, stream=self.Stream(self))

    class Stream(httpx.SyncByteStream):
        def __init__(self, model: "SlowModel") -> None:
            self._model = model

        def __iter__(self) -> Any:
            for piece in (f"The project {CANARY} closes ", "in May."):
                said = json.dumps({"choices": [{"delta": {"content": piece}}]})
                yield f"data: {said}\n\n".encode()
                self._model.spoke.set()
                self._model.go_on.wait(PATIENCE_SECONDS)
            yield b"data: [DONE]\n\n"


def start_draft(world: World) -> tuple[SlowModel, dict[str, Any]]:
    furnish(world)
    enter(world, "open/", Effect.DENY, "alice")
    model = SlowModel()
    world.assistant._model = model.server()
    asked = world.post("alice", "/v1/ask", {"question": "When does the project close?"})
    turn: dict[str, Any] = asked.json()
    assert model.spoke.wait(PATIENCE_SECONDS)
    return model, turn


def finish(world: World, turn: dict[str, Any], *, person: str = "alice") -> Any:
    waiting = threading.Event()
    for _ in range(int(PATIENCE_SECONDS * 50)):
        shown = world.get(person, f"/v1/turns/{turn['turn_id']}")
        if shown.json()["answer"] is not None:
            return shown
        waiting.wait(0.02)
    raise TimeoutError


def a43_an_answer_in_the_making_is_withheld_when_rights_are_lost(world: World) -> None:
    model, turn = start_draft(world)
    revoke(world)
    model.go_on.set()

    shown = finish(world, turn)

    types = [entry.type for entry in world.record.entries(limit=500)]
    assert CANARY not in shown.text
    assert "access.denied" in types
    assert "rag.answer" not in types


def shown_with_canary(world: World, place: str) -> str:
    """Return the draft once it is shown; the model speaks before anything of it is."""
    waiting, shown = threading.Event(), ""
    for _ in range(int(PATIENCE_SECONDS * 20)):
        shown = world.get("alice", place).text
        if CANARY in shown:
            break
        waiting.wait(0.05)
    return shown


def a43_a_draft_is_not_shown_once_rights_are_lost(world: World) -> None:
    model, turn = start_draft(world)
    place = f"/v1/turns/{turn['turn_id']}"
    before = shown_with_canary(world, place)
    revoke(world)
    try:
        after = world.get("alice", place).text
        assert CANARY in before
        assert CANARY not in after
    finally:
        model.go_on.set()
        finish(world, turn)


PROBES: tuple[Probe, ...] = (
    a03_lists_counts_and_searches_hold_only_ones_own,
    a03_the_index_is_asked_for_ones_own_only,
    a05_a_shared_thread_shows_each_reader_their_own,
    a08_a_copied_address_opens_nothing_for_another,
    a25_one_persons_decision_never_serves_another,
    a33_taken_out_of_a_group_counts_from_the_next_request,
    a43_a_search_before_the_index_knows_finds_nothing_lost,
    a43_rights_lost_between_the_search_and_the_gate_count,
    a43_an_answer_in_the_making_is_withheld_when_rights_are_lost,
    a43_a_draft_is_not_shown_once_rights_are_lost,
    a44_memory_of_before_the_revocation_is_withheld,
    a45_scores_tell_nothing_of_what_was_just_lost,
    denying_wins_through_nested_groups,
    an_entry_that_has_ended_opens_nothing,
    a_marking_asks_for_clearance,
)
