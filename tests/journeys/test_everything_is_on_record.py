# ruff: noqa: F401, F811 - the fixtures of the service's own tests are used here too
"""Whatever changes or discloses something writes its event, and nothing new goes without.

Every route, every command and every method that writes to a store stands on one of the lists
below: with the event it leaves, or with the reason why it leaves none.
"""

import importlib
import inspect
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from audit.events import VOCABULARY
from audit.log import AuditLog
from corpus.catalog import Catalog
from corpus.documents import Version
from corpus.holds import Holds
from muniment.__main__ import COMMANDS, cli
from rag.conversations import Conversations
from rag.directory_book import DirectoryBook
from rag.feedback import FeedbackBook
from rag.identity import Identity
from rag.tokens import ApiTokens
from tests.rag.test_service import (
    CANARY,
    PASSWORD,
    House,
    ask,
    finished,
    house,
    index,
    secret,
    sign_in,
)

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Scene:
    """A service in which something has happened that routes can be tried on."""

    house: House
    client: TestClient
    alice: dict[str, str]
    admin: dict[str, str]
    auditor: dict[str, str]
    version: Version
    source_id: str
    turn_id: str
    conversation_id: str
    question: int
    token_id: str
    run_id: str

    def send(self, method: str, path: str, who: str = "alice", **body: Any) -> Any:
        headers = {"alice": self.alice, "admin": self.admin, "auditor": self.auditor}[who]
        address = path.format(
            version=self.version.version_id,
            document=self.version.document_id,
            source=self.source_id,
            turn=self.turn_id,
            conversation=self.conversation_id,
            question=self.question,
            token=self.token_id,
            run=self.run_id,
        )
        return self.client.request(method, address, headers=headers, **body)


@pytest.fixture
def client(house: House, tmp_path: Path) -> TestClient:
    house.parts = replace(house.parts, uploads=tmp_path / "uploads")
    return house.start()


@pytest.fixture
def scene(house: House, client: TestClient, secret: Version) -> Scene:
    alice = sign_in(client, "alice")
    auditor = sign_in(client, "auditor")
    turn = ask(client, alice)
    finished(client, alice, turn["turn_id"])
    conversation_id = turn["conversation_id"]
    admin = sign_in(client, "admin")
    source_id = house.parts.catalog.source_of(secret.document_id).source_id
    run = client.post("/v1/ingestion/runs", json={"source_id": source_id}, headers=admin)
    made = client.post("/v1/tokens", json={"label": "mine"}, headers=alice)
    return Scene(
        house=house,
        client=client,
        alice=alice,
        admin=admin,
        auditor=auditor,
        version=secret,
        source_id=source_id,
        turn_id=turn["turn_id"],
        conversation_id=conversation_id,
        question=_last_question(house),
        token_id=made.json()["known_as"]["token_id"],
        run_id=run.json()["run_id"],
    )


def _last_question(house: House) -> int:
    return house.parts.record.entries(type="rag.ask", newest_first=True, limit=1)[0].sequence


@dataclass(frozen=True)
class Tried:
    """The event a route leaves, and a request that makes it."""

    event: str
    path: str
    who: str = "alice"
    body: dict[str, Any] | None = None
    before: Callable[[Scene], object] | None = None


def _share(scene: Scene) -> None:
    body = {"person": "bob"}
    scene.send("POST", "/v1/conversations/{conversation}/shares", json=body)


ROUTES: dict[str, Tried] = {
    "POST /v1/session": Tried(
        "auth.login", "/v1/session", body={"name": "alice", "password": PASSWORD}
    ),
    "DELETE /v1/session": Tried("auth.logout", "/v1/session"),
    "DELETE /v1/conversations/{conversation_id}": Tried(
        "conversation.delete", "/v1/conversations/{conversation}"
    ),
    "POST /v1/conversations/{conversation_id}/shares": Tried(
        "conversation.share", "/v1/conversations/{conversation}/shares", body={"person": "bob"}
    ),
    "DELETE /v1/conversations/{conversation_id}/shares/{person}": Tried(
        "conversation.share", "/v1/conversations/{conversation}/shares/bob", before=_share
    ),
    "GET /v1/conversations/{conversation_id}/export": Tried(
        "export.data", "/v1/conversations/{conversation}/export"
    ),
    "POST /v1/turns/{turn_id}/feedback": Tried(
        "rag.feedback", "/v1/turns/{turn}/feedback", body={"helpful": True}
    ),
    "GET /v1/feedback/export": Tried("export.data", "/v1/feedback/export", "auditor"),
    "GET /v1/documents/{document_id}/access": Tried(
        "access.explain", "/v1/documents/{document}/access?person=bob", "auditor"
    ),
    "GET /v1/versions/{version_id}/pages/{number}.png": Tried(
        "doc.view", "/v1/versions/{version}/pages/0.png"
    ),
    "GET /v1/versions/{version_id}/passage": Tried(
        "doc.view", "/v1/versions/{version}/passage?start=0&end=5"
    ),
    "GET /v1/versions/{version_id}/original": Tried(
        "doc.download", "/v1/versions/{version}/original"
    ),
    "POST /v1/ingestion/runs": Tried(
        "admin.config", "/v1/ingestion/runs", "admin", {"source_id": "{source}"}
    ),
    "PUT /v1/ingestion/sources/{source_id}/schedule": Tried(
        "admin.config",
        "/v1/ingestion/sources/{source}/schedule",
        "admin",
        {"cron": "30 2 * * *", "zone": "UTC"},
    ),
    "POST /v1/ingestion/runs/{run_id}": Tried(
        "admin.config", "/v1/ingestion/runs/{run}", "admin", {"wish": "cancel"}
    ),
    "PUT /v1/ingestion/uploads/{name}": Tried(
        "admin.config", "/v1/ingestion/uploads/fees.txt?groups=finance", "admin"
    ),
    "GET /v1/audit/entries": Tried("audit.view", "/v1/audit/entries", "auditor"),
    "GET /v1/audit/overview": Tried("audit.view", "/v1/audit/overview", "auditor"),
    "GET /v1/audit/entries/{sequence}/story": Tried(
        "audit.view", "/v1/audit/entries/{question}/story", "auditor"
    ),
    "GET /v1/audit/entries/{sequence}/conversation": Tried(
        "conversation.view", "/v1/audit/entries/{question}/conversation", "auditor"
    ),
    "POST /v1/audit/verify": Tried("audit.verify", "/v1/audit/verify", "auditor"),
    "GET /v1/audit/export": Tried("export.audit", "/v1/audit/export", "auditor"),
    "POST /v1/tokens": Tried("auth.token", "/v1/tokens", body={"label": "another"}),
    "DELETE /v1/tokens/{token_id}": Tried("auth.token", "/v1/tokens/{token}"),
}
"""Routes that change or disclose something, and the event each leaves."""

SCIM = "tests/rag/test_scim.py"
PUSHED = ("admin.user.change", SCIM, "test_a_person_is_made_read_replaced_patched_and_deleted")
GROUPED = ("acl.change", SCIM, "test_groups_and_groups_in_groups_are_pushed")

SHOWN_ELSEWHERE = {
    "POST /scim/v2/Users": PUSHED,
    "PUT /scim/v2/Users/{user_id}": PUSHED,
    "PATCH /scim/v2/Users/{user_id}": PUSHED,
    "DELETE /scim/v2/Users/{user_id}": PUSHED,
    "POST /scim/v2/Groups": GROUPED,
    "PUT /scim/v2/Groups/{group_id}": GROUPED,
    "PATCH /scim/v2/Groups/{group_id}": GROUPED,
    "DELETE /scim/v2/Groups/{group_id}": GROUPED,
    "POST /v1/ask": (
        "rag.ask",
        "tests/rag/test_assistant.py",
        "test_question_passages_and_answer_are_on_record_in_that_order",
    ),
    "POST /v1/search": (
        "rag.ask",
        "tests/rag/test_assistant.py",
        "test_a_search_is_on_record",
    ),
    "POST /v1/chat/completions": (
        "rag.ask",
        "tests/rag/test_service_conversations.py",
        "test_a_program_with_a_token_asks_in_its_persons_name",
    ),
    "GET /v1/privacy/subject-access": (
        "dsar.export",
        "tests/rag/test_service_privacy.py",
        "test_a_privacy_officer_gets_what_is_kept_about_a_person",
    ),
    "POST /v1/provider/finish": (
        "auth.login",
        "tests/rag/test_provider.py",
        "test_a_person_comes_through_a_real_provider",
    ),
    "POST /v1/provider/logout": (
        "session.revoke",
        "tests/rag/test_provider.py",
        "test_a_logout_at_the_provider_ends_the_session_here",
    ),
    "POST /v1/set-up": (
        "admin.user.change",
        "tests/rag/test_signing_in.py",
        "test_the_set_up_code_makes_the_first_administrator_once",
    ),
    "POST /v1/second-factor/confirmation": (
        "auth.mfa",
        "tests/rag/test_signing_in.py",
        "test_a_confirmed_authenticator_is_asked_for_from_then_on",
    ),
    "POST /v1/second-factor/removal": (
        "auth.mfa",
        "tests/rag/test_signing_in.py",
        "test_an_authenticator_is_taken_off_by_a_code_of_it",
    ),
    "POST /v1/turns/{turn_id}/stop": (
        "rag.answer",
        "tests/rag/test_service.py",
        "test_a_failure_nobody_foresaw_says_nothing_of_its_message",
    ),
}

QUIET_ROUTES = {
    "GET /scim/v2/ServiceProviderConfig": "what is supported",
    "GET /scim/v2/ResourceTypes": "what there is",
    "GET /scim/v2/Users": "a directory sees what it pushed itself",
    "GET /scim/v2/Users/{user_id}": "the same",
    "GET /scim/v2/Groups": "the same",
    "GET /scim/v2/Groups/{group_id}": "the same",
    "GET /health": "says that the service runs, and nothing else",
    "GET /ready": "numbers and states, of no document and no person",
    "GET /v1/session": "one's own name, groups and roles",
    "POST /v1/provider/begin": "an address to go to; who comes back from it is on record",
    "GET /v1/sign-in": "how one may sign in here",
    "GET /v1/second-factor": "whether one is asked for a code",
    "POST /v1/second-factor": "a secret that counts for nothing until auth.mfa confirms it",
    "GET /v1/turns/{turn_id}": "one's own answer, which is on record as given",
    "GET /v1/turns/{turn_id}/events": "one's own answer while it is made; rag.* tell it",
    "GET /v1/conversations": "titles of one's own conversations and of those one was given",
    "GET /v1/conversations/{conversation_id}": (
        "one's own; a colleague's that is shared leaves conversation.view"
    ),
    "POST /v1/conversations/{conversation_id}/title": "a name for one's own list",
    "GET /v1/documents": "titles that the person may read; a document is read by its pages",
    "GET /v1/documents/{document_id}": "titles and versions that the person may read",
    "GET /v1/ingestion": "states of runs, for administrators",
    "GET /v1/model": "whether a model words answers now, and how many questions wait",
    "GET /v1/models": "the name of the model",
    "GET /v1/audit/state": "how far the record is signed; no entry of it",
    "GET /v1/tokens": "labels of one's own tokens",
}
"""Routes that leave no event, each with the reason."""


def routes_of(house: House) -> set[str]:
    described = house.app.openapi()["paths"]
    return {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}


def test_every_route_is_on_a_list(house: House, client: TestClient) -> None:
    assert routes_of(house) == {*ROUTES, *SHOWN_ELSEWHERE, *QUIET_ROUTES}


def tried_method(route: str) -> str:
    return route.partition(" ")[0]


def filled(route: str, scene: Scene) -> dict[str, Any]:
    body = ROUTES[route].body
    if body is None:
        return {"content": b"What a file says"} if "uploads" in route else {}
    return {
        "json": {
            name: scene.source_id if value == "{source}" else value for name, value in body.items()
        }
    }


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_leaves_its_event(scene: Scene, route: str) -> None:
    tried = ROUTES[route]
    if tried.before:
        tried.before(scene)
    before = scene.house.parts.record.count()

    reply = scene.send(tried_method(route), tried.path, tried.who, **filled(route, scene))

    assert reply.is_success, reply.text
    written = scene.house.parts.record.entries(after=before - 1)
    assert tried.event in {entry.type for entry in written}
    assert all(entry.person for entry in written)


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_does_nothing_while_the_record_is_away(scene: Scene, route: str) -> None:
    tried = ROUTES[route]
    if tried.before:
        tried.before(scene)

    with scene.house.record_away():
        reply = scene.send(tried_method(route), tried.path, tried.who, **filled(route, scene))

    assert reply.status_code == 503, reply.text
    assert CANARY not in reply.text


@pytest.mark.parametrize("route", SHOWN_ELSEWHERE)
def test_what_is_shown_elsewhere_is_shown_there(route: str) -> None:
    event, file, name = SHOWN_ELSEWHERE[route]
    text = (REPOSITORY / file).read_text(encoding="utf-8")

    assert event in {kind.type for kind in VOCABULARY}
    assert f"def {name}" in text


COMMANDS_ON_RECORD: dict[str, tuple[str, tuple[str, ...]]] = {
    "directory sync": ("admin.user.change", ()),
    "user add": ("admin.user.change", ("bea", "--password", PASSWORD)),
    "user password": ("admin.user.change", ("ada", "--password", f"{PASSWORD} too")),
    "user groups": ("admin.user.change", ("ada", "fees")),
    "user roles": ("admin.user.change", ("ada", "reader", "auditor")),
    "user forget-code": ("admin.user.change", ("ada",)),
    "user remove": ("admin.user.change", ("ada",)),
    "user token add": ("admin.user.change", ("ada", "--label", "mine")),
    "source add": ("admin.config", ("{folder}", "--groups", "staff", "--name", "another")),
    "source remove": ("admin.config", ("policies",)),
    "source schedule": ("admin.config", ("policies", "30 2 * * *")),
    "access allow": ("acl.change", ("policies", "group:partners")),
    "access deny": ("acl.change", ("policies", "group:markets")),
    "access group": ("acl.change", ("partners", "person:ada")),
    "access owner": ("acl.change", ("policies", "group:compliance")),
    "access clear": ("acl.change", ("person:ada", "OFFICIAL")),
    "access mark": ("acl.change", ("policies", "*", "OFFICIAL")),
    "access rights": ("acl.change", ("policies", "declared")),
    "hold add": ("hold.add", ("--everything", "--reason", "claim")),
    "feedback export": ("export.data", ("--output", "{out}")),
    "audit show": ("audit.view", ()),
    "audit verify": ("audit.verify", ()),
    "audit export": ("export.audit", ("--format", "jsonl", "--output", "{out}")),
    "audit prove": ("export.audit", ("0", "--output", "{out}")),
    "audit dsar": ("dsar.export", ("ada", "--output", "{out}")),
    "audit redact": ("audit.redaction", ("0", "--ground", "order", "--confirm")),
    "audit erase": ("audit.erasure", ("ada", "--ground", "request", "--confirm")),
}
"""Commands that change or disclose something by themselves, and what each leaves."""

QUIET_COMMANDS = {
    "up": "starts the programs; each puts system.start and system.stop on record",
    "serve": "is one of those programs",
    "doctor": "says what is wrong, and nothing of any document or person",
    "ask": "asks through the assistant, which records",
    "search": "asks through the assistant, which records",
    "mcp": "asks the running service, which records",
    "evaluate samples": "asks through the assistant, which records; prints figures",
    "evaluate retrieval": "prints figures over questions that are published",
    "ingest": "works through the pipeline, which records each document",
    "source sync": "works through the pipeline, which records each document",
    "source erase": "works through the eraser, which records doc.delete and doc.erase",
    "source list": "names and numbers, for whoever owns the data folder",
    "source ledger": "names and outcomes of files, for whoever owns the data folder",
    "source pause": "steers a run; admin.config where there is one",
    "source resume": "steers a run; admin.config where there is one",
    "source cancel": "steers a run; admin.config where there is one",
    "access show": "who is admitted, for whoever owns the data folder",
    "access unmapped": "names that no group answers to, for whoever owns the data folder",
    "access identities": "writes acl.change for what it reads from a file",
    "access remove": "writes acl.change through the same function as allow and deny",
    "access explain": "writes access.explain; needs a document",
    "access break-glass": "writes access.break_glass; needs a document",
    "directory status": "how the last synchronisation ended, for whoever owns the data folder",
    "user list": "names, groups and roles, for whoever owns the data folder",
    "user link": "writes admin.user.change; needs an identity provider",
    "user set-up": "writes admin.user.change; needs a house without accounts",
    "user token list": "labels of tokens, never the tokens",
    "user token revoke": "writes admin.user.change; needs a token",
    "adapt": "writes index.adapt; shown in tests/muniment/test_adapt_commands.py",
    "index rechunk": "cuts texts on record otherwise; what was read names its hash",
    "index rebuild": "builds what is searched from texts on record; system.start names its model",
    "index prune": "removes vectors of a model that serves no more; system.start names its own",
    "hold list": "the holds, for whoever owns the data folder",
    "hold lift": "writes hold.lift; shown in tests/muniment/test_hold_commands.py",
    "audit replay": "writes audit.view; shown in tests/muniment/test_oversight_commands.py",
    "audit dispose": "writes audit.disposal; shown in tests/audit/test_erasure.py",
    "audit clock": "writes clock.step with --accept; says the time otherwise",
    "audit witness": "is another house's program and has a memory of its own",
    "audit status": "how far the record is signed",
    "model probe": "writes admin.model.profile; needs a model",
    "audit checkpoint": "signs; the checkpoint itself is the trace",
    "audit keys": "prints public keys",
    "audit schema": "prints SQL",
}
"""Commands that leave no event here, each with the reason."""


def commands() -> Iterator[str]:
    def below(command: click.Command, path: str) -> Iterator[str]:
        if isinstance(command, click.Group):
            for name, part in command.commands.items():
                yield from below(part, f"{path} {name}")
        else:
            yield path

    for name, entry in COMMANDS.items():
        yield from below(getattr(importlib.import_module(entry.module), entry.name), name)


def test_every_command_is_on_a_list() -> None:
    assert set(commands()) == {*COMMANDS_ON_RECORD, *QUIET_COMMANDS}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a source and an account."""
    folder = tmp_path_factory.mktemp("prepared")
    for words in (
        ["source", "add", str(folder), "--groups", "staff", "--name", "policies"],
        ["user", "add", "ada", "--password", PASSWORD],
    ):
        done = CliRunner().invoke(cli, words, env={"MUNIMENT_DATA": str(folder / "data")})
        assert done.exit_code == 0, done.output
    return folder / "data"


@pytest.mark.parametrize("command", COMMANDS_ON_RECORD)
def test_a_command_leaves_its_event(prepared: Path, tmp_path: Path, command: str) -> None:
    event, arguments = COMMANDS_ON_RECORD[command]
    (tmp_path / "documents").mkdir()
    (tmp_path / "people.csv").write_text("name\nbea\n")
    shutil.copytree(prepared, tmp_path / "data", ignore=shutil.ignore_patterns("*.sock", "socket"))
    names = {"folder": tmp_path / "documents", "out": tmp_path / "out"}
    environment = {
        "MUNIMENT_DATA": str(tmp_path / "data"),
        "MUNIMENT_MARKINGS": "OFFICIAL",
        "MUNIMENT_DIRECTORY": str(tmp_path),
    }
    count = len(on_record(tmp_path))

    words = [*command.split(), *(each.format(**names) for each in arguments)]
    done = CliRunner().invoke(cli, words, env=environment)

    assert done.exit_code == 0, done.output
    assert event in on_record(tmp_path)[count:]


def on_record(folder: Path) -> list[str]:
    with closing(AuditLog.open(folder / "data" / "audit")) as record:
        return [entry.type for entry in record.entries()]


WRITERS: dict[type, dict[str, str]] = {
    Catalog: {
        "add_entry": "acl.change",
        "add_member": "acl.change",
        "add_source": "admin.config",
        "approve_opening": "access.break_glass",
        "ask_erasure": "admin.config",
        "end_opening": "access.break_glass",
        "erase_text": "doc.erase",
        "know_identities": "acl.change",
        "move_document": "doc.move",
        "move_schedule": "admin.config",
        "note_erasure": "doc.erase",
        "publish": "doc.ingest",
        "publish_all": "doc.ingest",
        "quarantine": "doc.quarantine",
        "queue_run": "admin.config",
        "refuse_file": "doc.quarantine",
        "remove_entries": "acl.change",
        "remove_member": "acl.change",
        "remove_source": "admin.config",
        "replace_members": "acl.change",
        "request_opening": "access.break_glass",
        "set_clearance": "acl.change",
        "set_intake": "admin.config",
        "set_marking_rules": "acl.change",
        "set_owners": "acl.change",
        "set_rights": "acl.change",
        "take_rights": "acl.sync",
        "want": "admin.config",
        "withdraw_document": "doc.delete",
    },
    Holds: {"place": "hold.add", "lift": "hold.lift"},
    Identity: {
        "add_account": "admin.user.change",
        "add_directory_account": "admin.user.change",
        "disable_account": "admin.user.change",
        "enable_account": "admin.user.change",
        "remove_account": "admin.user.change",
        "set_groups": "admin.user.change",
        "set_password": "admin.user.change",
        "set_roles": "admin.user.change",
        "sign_in": "auth.login",
        "open_provided_session": "auth.login",
        "end_provided_sessions": "session.revoke",
        "mark_strong": "auth.mfa",
        "sign_out": "auth.logout",
    },
    Conversations: {
        "delete": "conversation.delete",
        "finish": "rag.answer",
        "share": "conversation.share",
        "start_turn": "rag.ask",
        "unshare": "conversation.share",
    },
    ApiTokens: {"make": "auth.token", "revoke": "auth.token"},
    DirectoryBook: {"replace": "admin.user.change"},
    FeedbackBook: {"give": "rag.feedback"},
}
"""Methods that write to a store, and the event their callers put on record first."""

QUIET_WRITERS: dict[type, dict[str, str]] = {
    Catalog: {
        "access_indexed": "notes that the index was told; who may read it does not change",
        "beat": "a worker says that it lives",
        "claim_run": "a worker takes a run",
        "discard_staged": "tidies what nobody ever could see",
        "finish_run": "the run's own book-keeping",
        "forget_file": "the run's own book-keeping",
        "forget_quarantine": "a file is to be read again; doc.ingest follows",
        "forget_worker": "a worker that is gone",
        "mark_recording": "the step between staged and published",
        "note_cutting": "says how chunks were cut; their texts are as they were",
        "note_seen": "the run's own book-keeping",
        "note_seen_below": "the run's own book-keeping",
        "plan_files": "the run's own book-keeping",
        "record_files": "the run's own book-keeping",
        "recut": "cuts texts on record otherwise; what was read of a chunk names its hash",
        "requeue_run": "the run's own book-keeping",
        "retry_run": "the run's own book-keeping",
        "settle_file": "the run's own book-keeping",
        "stage_version": "stored, and invisible until doc.ingest",
        "update_run": "the run's own book-keeping",
    },
    Holds: {},
    Identity: {
        "excuse_samples": "sample accounts; their making is admin.user.change",
        "require_password": "counts attempts; auth.fail where one fails",
        "open_session_for": "for the operator's own commands, which record in that name",
        "principal_of": "notes when a session was last used",
    },
    Conversations: {
        "append": "pieces of a draft; rag.answer holds the whole of it",
        "rename": "a name for one's own list",
    },
    ApiTokens: {"holder_of": "notes when a token was last used"},
    DirectoryBook: {"note_run": "how a synchronisation ended; its changes are on record"},
    FeedbackBook: {},
}
"""Methods that write and leave no event, each with the reason."""


@pytest.mark.parametrize("kind", WRITERS, ids=lambda kind: kind.__name__)
def test_every_method_that_writes_is_on_a_list(kind: type) -> None:
    """Whether it writes itself, or through a method of its own that only it may call."""
    source = {
        name: inspect.getsource(method)
        for name, method in inspect.getmembers(kind, inspect.isfunction)
    }
    inside = [
        name for name, text in source.items() if name[0] == "_" and re.search(r"\.writing\b", text)
    ]
    ways = re.compile(r"\.writing\b" + "".join(rf"|self\.{name}\(" for name in inside))

    writing = {name for name, text in source.items() if name[0] != "_" and ways.search(text)}

    assert writing == {*WRITERS[kind], *QUIET_WRITERS[kind]}


@pytest.mark.parametrize("kind", WRITERS, ids=lambda kind: kind.__name__)
def test_every_method_that_writes_names_an_event_there_is(kind: type) -> None:
    assert set(WRITERS[kind].values()) <= {known.type for known in VOCABULARY}
