"""Attempts by side doors: caches, other people's threads, tokens, roles, drafts on the wire.

Like ``probes``, each is a test of its own, and the one that notices the loss of the guard it tries.
"""

import json
import threading
from datetime import timedelta
from io import BytesIO
from typing import Any

import httpx
import sqlalchemy as sql
from reportlab.pdfgen.canvas import Canvas

from corpus.access import Effect, person_named
from corpus.documents import Block, BlockKind, Chunk, Page, ParsedDocument
from rag.contract import Answer, Outcome
from rag.generation import ModelServer
from rag.store import turns
from rag.tokens import ApiTokens
from tests.attacks.probes import (
    CANARY,
    SECRET,
    Probe,
    enter,
    finish,
    furnish,
    revoke,
    shown_with_canary,
    start_draft,
    version_of,
)
from tests.attacks.test_break_glass import open_for, uses
from tests.attacks.world import LEVELS, PATIENCE_SECONDS, World, text_of
from tests.ui.over_service import page_over


def a01_a_conversation_is_its_owners(world: World) -> None:
    furnish(world)
    enter(world, "", Effect.ALLOW, "bob")  # what is refused here is refused for whose it is
    place = f"/v1/conversations/{world.ask('alice')['conversation_id']}"
    assert world.get("alice", place).status_code == 200

    assert world.get("bob", place).status_code == 404
    assert world.get("bob", f"{place}/export").status_code == 404
    assert world.post("bob", f"{place}/title", {"title": "Mine"}).status_code == 404
    assert world.client.delete(place, headers=world.proof("bob")).status_code == 404


def a01_a_turn_is_its_owners(world: World) -> None:
    furnish(world)
    enter(world, "", Effect.ALLOW, "bob")
    place = f"/v1/turns/{world.ask('alice')['turn_id']}"
    assert world.get("alice", place).status_code == 200

    assert world.get("bob", place).status_code == 404
    assert world.get("bob", f"{place}/events").status_code == 404
    assert world.post("bob", f"{place}/stop").status_code == 404
    assert world.post("bob", f"{place}/feedback", {"helpful": True}).status_code == 404


def a01_a_token_is_its_persons(world: World) -> None:
    furnish(world)
    made = tokens_of(world).make("alice", "hers", ["ask"], timedelta(days=1))
    place = f"/v1/tokens/{made.known_as.token_id}"

    assert world.client.delete(place, headers=world.proof("bob")).status_code == 404
    assert made.known_as.token_id not in world.get("bob", "/v1/tokens").text
    assert world.client.get("/v1/documents", headers=bearer(made.token)).status_code == 200


def a01_why_is_told_of_ones_own_sources_only(world: World) -> None:
    secret = furnish(world)
    elsewhere = world.catalog.add_source(
        name="elsewhere", location=world.folder, groups=frozenset()
    )
    world.catalog.set_owners(elsewhere.source_id, [person_named("bob")])
    place = f"/v1/documents/{secret}/access?person=alice"
    assert world.client.get(place, headers=world.proof("auditor")).status_code == 200

    assert world.client.get(place, headers=world.proof("bob")).status_code == 404


def a01_runs_are_shown_to_the_owner_of_their_source(world: World) -> None:
    furnish(world)
    elsewhere = world.catalog.add_source(
        name="elsewhere", location=world.folder, groups=frozenset()
    )
    world.catalog.set_owners(elsewhere.source_id, [person_named("bob")])

    shown = world.get("bob", "/v1/ingestion")
    wanted = {"source_id": world.source.source_id}
    assert elsewhere.source_id in shown.text
    assert world.source.source_id not in shown.text
    assert world.post("bob", "/v1/ingestion/runs", wanted).status_code == 404


def a04_feedback_names_only_what_one_may_read(world: World) -> None:
    secret = furnish(world)
    turn = world.ask("bob")
    given: dict[str, object] = {"helpful": False, "document_id": secret}

    reply = world.post("bob", f"/v1/turns/{turn['turn_id']}/feedback", given)

    unknown = given | {"document_id": "00000000-0000-4000-8000-000000000000"}
    again = world.post("bob", f"/v1/turns/{turn['turn_id']}/feedback", unknown)
    assert reply.status_code == again.status_code == 404
    assert reply.content == again.content


def a05_a_thread_is_read_by_those_it_is_shared_with(world: World) -> None:
    furnish(world)
    enter(world, "", Effect.ALLOW, "bob")
    place = f"/v1/conversations/{world.ask('alice')['conversation_id']}"
    world.post("alice", f"{place}/shares", {"person": "bob"})
    assert world.get("bob", place).status_code == 200

    assert world.get("carol", place).status_code == 404
    headers = world.proof("alice")
    assert world.client.delete(f"{place}/shares/bob", headers=headers).status_code == 204
    assert world.get("bob", place).status_code == 404


def a05_a_shared_thread_names_no_document_that_its_reader_may_not_read(world: World) -> None:
    """Neither in the note on a later edition, nor among the choices of a question asked back."""
    secret = version_of(world, furnish(world))
    first = world.ask("alice")
    second = world.ask("alice", "And when was it agreed?", first["conversation_id"])
    place = f"/v1/conversations/{first['conversation_id']}"
    answer = Answer.model_validate(first["answer"])
    read = [one for one in answer.passages if one.version_id == secret]
    assert read
    cited = [one for one in answer.citations if one.version_id != secret]
    beside = [one for one in answer.passages if one.version_id != secret]
    later = {"note": f"There is a later edition: {CANARY}.", "names": [secret]}
    _store(world, first, answer.model_copy(
        update=later | {"citations": cited, "passages": beside, "sentences": []}
    ))  # fmt: skip
    asked_back = {"outcome": Outcome.UNCLEAR, "asks": "Which?", "choices": [CANARY, "another"]}
    _store(world, second, answer.model_copy(
        update=asked_back | {"sentences": [], "citations": [], "passages": read}
    ))  # fmt: skip
    assert world.get("alice", place).text.count(CANARY) > 1
    world.post("alice", f"{place}/shares", {"person": "bob"})

    shown = world.get("bob", place).text
    assert CANARY not in shown
    assert secret not in shown
    assert CANARY not in world.get("bob", f"{place}/export").text


def _store(world: World, turn: dict[str, Any], answer: Answer) -> None:
    with world.conversations.store.writing.begin() as connection:
        connection.execute(
            sql.update(turns)
            .where(turns.c.turn_id == turn["turn_id"])
            .values(answer=answer.model_dump_json())
        )


def a25_a_text_that_was_read_before_serves_no_other_document(world: World) -> None:
    secret = version_of(world, furnish(world))
    opened = world.catalog.readable_documents(world.principal("bob"))[0][0].version.version_id
    place, span = "/v1/versions/{}/passage", {"start": 0, "end": 30}
    assert CANARY in world.get("alice", place.format(secret), **span).text

    assert CANARY not in world.get("bob", place.format(opened), **span).text


def a25_a_page_that_was_drawn_before_serves_no_other_document(world: World) -> None:
    furnish(world)
    secret, opened = (put_page(world, path) for path in ("fin/plan.pdf", "open/plan.pdf"))
    place = "/v1/versions/{}/pages/0.png"
    hers = world.get("alice", place.format(secret))
    assert hers.status_code == 200

    his = world.get("bob", place.format(opened))

    assert his.status_code == 200
    assert his.content != hers.content
    assert world.get("bob", place.format(secret)).status_code == 404


def put_page(world: World, path: str) -> str:
    """Bring in a document of one page; return its version."""
    text, data = text_of(path), BytesIO()
    canvas = Canvas(data, pagesize=(400, 600))
    canvas.drawString(50, 500, text)
    canvas.save()
    staged = world.catalog.stage_version(
        source_id=world.source.source_id,
        path=path,
        original=world.originals.keep(data.getvalue()),
        media_type="application/pdf",
        parsed=ParsedDocument(
            text,
            (Block(0, len(text), BlockKind.PARAGRAPH),),
            pages=(Page(0, 0, len(text), 400, 600),),
        ),
        chunks=[Chunk(0, 0, len(text), page=0)],
        size=1,
        modified_ns=0,
    )
    world.catalog.publish(staged.version_id)
    return str(staged.version_id)


def a25_what_one_person_reads_behind_the_glass_hides_no_other(world: World) -> None:
    version_id = version_of(world, furnish(world))
    for person in ("bob", "carol"):
        open_for(world, person)

    for person in ("bob", "carol"):
        assert CANARY in world.get(person, f"/v1/versions/{version_id}/original").text

    assert {person for person, _ in uses(world)} == {"bob", "carol"}


def a25_the_page_lets_in_by_ones_own_session(world: World) -> None:
    page, _ = page_over(world.app)
    page.cookies.set("muniment_session", world.tokens["alice"])
    assert page.get("/library").status_code == 200

    page.cookies.clear()
    page.cookies.set("muniment_session", "another")

    assert page.get("/library").status_code in {303, 401}


class Listening:
    """A model that keeps what it is sent."""

    def __init__(self) -> None:
        self.salts: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/chat/completions"):
            return httpx.Response(404)
        asked = json.loads(request.content)
        if asked.get("stream"):
            self.salts.append(asked["cache_salt"])
        said = json.dumps({"choices": [{"delta": {"content": "It closes in May [1]."}}]})
        return httpx.Response(200, text=f"data: {said}\n\ndata: [DONE]\n\n")


def a26_what_the_model_server_keeps_of_a_prompt_serves_nobody_else(world: World) -> None:
    """Its cache of prompts is salted by a secret of the process and by who reads."""
    furnish(world)
    sent = []
    for _ in range(2):
        model = Listening()
        transport = httpx.MockTransport(model)
        world.assistant._model = ModelServer(url="http://model", name="m", transport=transport)
        for person in ("alice", "bob", "alice"):
            turn = world.post(person, "/v1/ask", {"question": "When does the project close?"})
            finish(world, turn.json(), person=person)
        sent.append(model.salts)

    (alice, bob, again), (later, *_) = sent
    assert alice == again
    assert len({alice, bob, later}) == 3
    assert all(len(salt) == 64 and "alice" not in salt for salt in (alice, bob, later))


def a33_a_token_goes_no_further_than_its_scopes(world: World) -> None:
    furnish(world)
    made = tokens_of(world).make("alice", "for the record", ["audit"], timedelta(days=1))
    asked = {"question": "When does the project close?"}

    reply = world.client.post("/v1/search", json=asked, headers=bearer(made.token))

    assert reply.status_code == 403
    assert world.client.get("/v1/documents", headers=bearer(made.token)).status_code == 403


def a33_a_token_does_not_stand_in_for_its_person(world: World) -> None:
    """What a stolen one must not be enough for: further tokens, second factors, a sign-out."""
    made = tokens_of(world).make("alice", "hers", ["ask"], timedelta(days=1))
    body = {"label": "another", "scopes": ["ask"]}

    assert world.client.post("/v1/tokens", json=body, headers=bearer(made.token)).status_code == 403
    assert world.client.get("/v1/second-factor", headers=bearer(made.token)).status_code == 403
    assert world.client.delete("/v1/session", headers=bearer(made.token)).status_code == 403


def a33_whoever_is_locked_reads_nothing_by_any_token(world: World) -> None:
    furnish(world)
    made = tokens_of(world).make("alice", "hers", ["ask"], timedelta(days=1))
    assert world.client.get("/v1/documents", headers=bearer(made.token)).status_code == 200

    world.identity.disable_account("alice", by="the directory")

    assert world.client.get("/v1/documents", headers=bearer(made.token)).status_code == 401
    assert world.get("alice", "/v1/documents").status_code == 401


def a43_a_stream_tells_no_more_of_a_draft_once_rights_are_lost(world: World) -> None:
    model, turn = start_draft(world)
    place, looked, heard = f"/v1/turns/{turn['turn_id']}", threading.Event(), []
    real = world.conversations.events

    def events(turn_id: str, *, after: int = 0) -> Any:
        found = real(turn_id, after=after)
        if any(CANARY in one.data for one in found):
            looked.set()
        return found

    world.conversations.events = events  # type: ignore[method-assign]
    assert CANARY in shown_with_canary(world, place)
    revoke(world)
    listener = threading.Thread(
        target=lambda: heard.append(world.get("alice", f"{place}/events").text)
    )
    listener.start()
    try:
        assert looked.wait(PATIENCE_SECONDS)
    finally:
        model.go_on.set()
        listener.join(PATIENCE_SECONDS)

    assert heard
    assert CANARY not in heard[0]


def a43_what_was_withdrawn_is_nobodys_at_once(world: World) -> None:
    secret = furnish(world)
    version_id = version_of(world, secret)
    world.catalog.withdraw_document(secret)  # type: ignore[arg-type]

    assert world.get("alice", f"/v1/versions/{version_id}/original").status_code == 404
    assert CANARY not in world.search("alice").text


def a43_an_edition_that_is_being_brought_in_is_nobodys_yet(world: World) -> None:
    furnish(world)
    staged = world.stage(SECRET, edition=2)

    place = f"/v1/versions/{staged.version_id}/original"
    assert world.get("alice", place).status_code == 404


def a46_a_role_is_asked_for_and_opens_no_document(world: World) -> None:
    furnish(world)

    assert world.get("bob", "/v1/audit/entries").status_code == 403
    assert world.get("bob", "/v1/ingestion").status_code == 403
    assert world.get("auditor", "/v1/ingestion").status_code == 403
    assert world.get("admin", "/v1/audit/entries").status_code == 403
    assert world.get("admin", "/v1/documents").json()["total"] == 0


def everything_shown_and_handed_out_carries_the_highest_marking(world: World) -> None:
    version_id = version_of(world, furnish(world))
    world.catalog.set_clearance(person_named("alice"), LEVELS[1])
    world.catalog.set_marking_rules(
        world.source.source_id, {"fin/*": LEVELS[1], "open/*": LEVELS[0]}
    )
    world.pipeline.apply_access()
    place = f"/v1/versions/{version_id}"

    turn = world.ask("alice")
    export = world.get("alice", f"/v1/conversations/{turn['conversation_id']}/export").text

    assert turn["answer"]["marking"] == LEVELS[1]
    assert world.search("alice").json()["marking"] == LEVELS[1]
    assert export.replace("\\", "").startswith(f"**{LEVELS[1]}**")
    original = world.get("alice", f"{place}/original")
    assert original.headers["x-muniment-marking"] == LEVELS[1]
    assert world.get("alice", f"{place}/passage", start=0, end=5).json()["marking"] == LEVELS[1]


def tokens_of(world: World) -> ApiTokens:
    return ApiTokens(world.identity.store, world.identity, clock=world.clock)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


SIDE_DOORS: tuple[Probe, ...] = (
    a01_a_conversation_is_its_owners,
    a01_a_turn_is_its_owners,
    a01_a_token_is_its_persons,
    a01_why_is_told_of_ones_own_sources_only,
    a01_runs_are_shown_to_the_owner_of_their_source,
    a04_feedback_names_only_what_one_may_read,
    a05_a_thread_is_read_by_those_it_is_shared_with,
    a05_a_shared_thread_names_no_document_that_its_reader_may_not_read,
    a25_a_text_that_was_read_before_serves_no_other_document,
    a25_a_page_that_was_drawn_before_serves_no_other_document,
    a25_what_one_person_reads_behind_the_glass_hides_no_other,
    a25_the_page_lets_in_by_ones_own_session,
    a26_what_the_model_server_keeps_of_a_prompt_serves_nobody_else,
    a33_a_token_goes_no_further_than_its_scopes,
    a33_a_token_does_not_stand_in_for_its_person,
    a33_whoever_is_locked_reads_nothing_by_any_token,
    a43_a_stream_tells_no_more_of_a_draft_once_rights_are_lost,
    a43_what_was_withdrawn_is_nobodys_at_once,
    a43_an_edition_that_is_being_brought_in_is_nobodys_yet,
    a46_a_role_is_asked_for_and_opens_no_document,
    everything_shown_and_handed_out_carries_the_highest_marking,
)
