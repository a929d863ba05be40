"""Take away each guard in turn: the probe named beside it notices."""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sql

import corpus.index.edge
import corpus.permissions
import rag.assistant
import rag.break_glass
import rag.conversations
import rag.generation
import rag.identity
import rag.retrieval
import rag.service_asking
import rag.service_conversations
import rag.service_documents
import rag.service_parts
from corpus import tables
from corpus.access import AuthorizedChunk, AuthorizedVersion, Effect, Gate, Named
from corpus.admission import Asker, asker_of
from corpus.documents import VersionId
from corpus.index import filters
from corpus.permissions import Decisions, Permissions
from corpus.versions import Texts
from rag.conversations import Conversations
from rag.pages import PageImages
from rag.store import accounts, api_tokens, conversations, turns
from rag.tokens import SCOPES, ApiTokens, Holder
from tests.attacks import probes, side_doors
from tests.attacks.probes import Probe
from tests.attacks.world import World
from ui.guard import Sessions

Mutate = Callable[[pytest.MonkeyPatch], None]


def _seal() -> Any:
    return corpus.access._GATE_SEAL


def without_the_filter_of_the_index(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        filters, "readable", lambda _: filters.All((filters.Equal(filters.STATE, filters.LIVE),))
    )


def without_the_gate_for_chunks(patch: pytest.MonkeyPatch) -> None:
    def authorize(_: Gate, principal: Any, chunks: Sequence[Any]) -> list[AuthorizedChunk]:
        return [AuthorizedChunk(chunk, principal.name, _seal()) for chunk in chunks]

    patch.setattr(Gate, "authorize", authorize)


def without_telling_the_index_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        rag.retrieval._Told, "rankings", lambda self, **asked: self._index.rankings(**asked)
    )


def without_either_check_of_what_was_found(patch: pytest.MonkeyPatch) -> None:
    without_telling_the_index_first(patch)
    without_the_gate_for_chunks(patch)


def without_the_gate_for_versions(patch: pytest.MonkeyPatch) -> None:
    def open_version(_: Gate, principal: Any, version: Any) -> AuthorizedVersion:
        return AuthorizedVersion(version, principal.name, _seal())

    patch.setattr(Gate, "open_version", open_version)


def without_the_epoch_in_the_key(patch: pytest.MonkeyPatch) -> None:
    _rekey(patch, lambda key: (0, key[1]))


def without_the_person_in_the_key(patch: pytest.MonkeyPatch) -> None:
    _rekey(patch, lambda key: (key[0], None))


def without_the_end_of_an_entry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(corpus.permissions, "next_expiry", lambda *_: None)


def without_denials(patch: pytest.MonkeyPatch) -> None:
    def admitting(asker: Asker, _: datetime) -> sql.Select[Any]:
        entry = tables.access_list_entry
        keys = [name.key for name in asker.names]
        return sql.select(entry.c.access_list_id).where(
            entry.c.principal.in_(keys), entry.c.effect == Effect.ALLOW
        )

    patch.setattr(corpus.permissions, "admitting", admitting)


def without_nested_groups(patch: pytest.MonkeyPatch) -> None:
    def flat(connection: Any, principal: Any, levels: Sequence[str]) -> Asker:
        found = asker_of(connection, principal, levels)
        table = tables.group_member
        direct = sql.select(table.c.group_name).where(table.c.member == Named.asker(principal).key)
        groups = {corpus.access.group_named(name) for name in connection.scalars(direct)}
        return Asker(frozenset({Named.asker(principal), *groups}), found.cleared)

    patch.setattr(corpus.permissions, "asker_of", flat)


def without_clearances(patch: pytest.MonkeyPatch) -> None:
    def cleared(connection: Any, principal: Any, levels: Sequence[str]) -> Asker:
        return Asker(asker_of(connection, principal, levels).names, frozenset(levels))

    patch.setattr(corpus.permissions, "asker_of", cleared)


def without_the_filter_of_the_library(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Permissions, "_readable", lambda *_: sql.true())


def without_the_last_look_before_an_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rag.assistant._StillReadable, "now", lambda _: True)


def without_the_look_at_a_draft(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rag.service_asking, "_may_see_draft", lambda *_: True)


def without_the_look_at_history(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rag.service_asking, "for_reader", lambda turn, *_: turn)


def _rekey(patch: pytest.MonkeyPatch, rekey: Callable[[Any], Any]) -> None:
    get, put = Decisions.get, Decisions.put
    patch.setattr(Decisions, "get", lambda self, key, now: get(self, rekey(key), now))
    patch.setattr(Decisions, "put", lambda self, key, made: put(self, rekey(key), made))


def without_leaving_out_what_names_documents(patch: pytest.MonkeyPatch) -> None:
    real = rag.service_asking.for_reader

    def for_reader(turn: Any, *more: Any) -> Any:
        shown = real(turn, *more)
        if shown.answer is None or turn.answer is None:
            return shown
        kept = {name: getattr(turn.answer, name) for name in ("note", "names", "choices")}
        return shown.model_copy(update={"answer": shown.answer.model_copy(update=kept)})

    patch.setattr(rag.service_asking, "for_reader", for_reader)


def without_the_owner_of_a_conversation(patch: pytest.MonkeyPatch) -> None:
    def own(connection: Any, _owner: str, conversation_id: str) -> str:
        return _one(connection, conversations.c.title, conversation_id)

    patch.setattr(rag.conversations, "_own", own)


def without_the_owner_of_a_turn(patch: pytest.MonkeyPatch) -> None:
    real = Conversations.turn

    def turn(self: Conversations, _owner: str, turn_id: str) -> Any:
        with self.store.reading.begin() as connection:
            of = sql.select(turns.c.conversation_id).where(turns.c.turn_id == turn_id)
            owner = _one(connection, conversations.c.owner, str(connection.scalar(of)))
        return real(self, owner, turn_id)

    patch.setattr(Conversations, "turn", turn)


def without_whom_a_thread_is_shared_with(patch: pytest.MonkeyPatch) -> None:
    def shared(self: Conversations, _reader: str, conversation_id: str) -> Any:
        with self.store.reading.begin() as connection:
            owner = _one(connection, conversations.c.owner, conversation_id)
        return self.conversation(owner, conversation_id)

    patch.setattr(Conversations, "shared_conversation", shared)


def without_whose_a_token_is(patch: pytest.MonkeyPatch) -> None:
    real = ApiTokens.revoke
    patch.setattr(
        ApiTokens, "revoke", lambda self, _person, token_id: real(self, "alice", token_id)
    )


def without_whose_a_source_is(patch: pytest.MonkeyPatch) -> None:
    def owned(self: Permissions, _principal: Any) -> Any:
        with self._database.reading() as connection:
            return frozenset(connection.scalars(sql.select(tables.source.c.source_id)))

    patch.setattr(Permissions, "owned_sources", owned)


def without_the_gate_for_explanations(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rag.service_documents, "_may_explain", lambda *_: True)


def without_the_gate_for_feedback(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rag.service_conversations, "_check_readable", lambda *_: None)


def without_the_version_in_the_key_of_texts(patch: pytest.MonkeyPatch) -> None:
    real = Texts.get
    patch.setattr(
        Texts,
        "get",
        lambda self, connection, version_id: (
            next(iter(self._kept.values()), "") or real(self, connection, version_id)
        ),
    )


def without_the_version_in_the_key_of_pictures(patch: pytest.MonkeyPatch) -> None:
    real, any_one = PageImages.picture, VersionId("")
    patch.setattr(
        PageImages,
        "picture",
        lambda self, _version, *more, **how: real(self, any_one, *more, **how),
    )


def without_the_person_in_the_key_of_glass(patch: pytest.MonkeyPatch) -> None:
    class ByVersion(OrderedDict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            return super().get(key[-1], default)

        def __setitem__(self, key: Any, value: Any) -> None:
            super().__setitem__(key[-1], value)

    watches = rag.break_glass.BreakGlassWatch
    real = watches.__call__

    def call(self: Any, *asked: Any) -> None:
        if not isinstance(self._seen, ByVersion):
            self._seen = ByVersion()
        real(self, *asked)

    patch.setattr(watches, "__call__", call)


def without_the_token_in_the_key_of_the_page(patch: pytest.MonkeyPatch) -> None:
    real = Sessions.accepts

    async def accepts(self: Sessions, token: str) -> bool:
        return bool(self._accepted) or await real(self, token)

    patch.setattr(Sessions, "accepts", accepts)


def without_the_reader_in_the_salt(patch: pytest.MonkeyPatch) -> None:
    _resalt(patch, lambda key, _reader: (key, b""))


def without_the_secret_in_the_salt(patch: pytest.MonkeyPatch) -> None:
    _resalt(patch, lambda _key, reader: (b"known", reader))


def _resalt(
    patch: pytest.MonkeyPatch, change: Callable[[bytes, bytes], tuple[bytes, bytes]]
) -> None:
    def new(key: bytes, message: bytes, algorithm: str) -> Any:
        return hmac.new(*change(key, message), algorithm)

    patch.setattr(rag.generation, "hmac", SimpleNamespace(new=new))


def without_scopes(patch: pytest.MonkeyPatch) -> None:
    _recall(patch, lambda caller: caller._replace(scopes=frozenset(SCOPES)))


def without_asking_for_a_session(patch: pytest.MonkeyPatch) -> None:
    _recall(patch, lambda caller: caller._replace(session=True))


def _recall(patch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    real = rag.service_parts.caller_of
    patch.setattr(rag.service_parts, "caller_of", lambda *asked: change(real(*asked)))


def without_roles(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rag.service_parts, "holds_one_of", lambda *_: True)


def without_the_lock_of_an_account(patch: pytest.MonkeyPatch) -> None:
    def holder_of(self: ApiTokens, token: str) -> Holder:
        with self._store.reading.begin() as connection:
            name = connection.scalar(
                sql.select(accounts.c.name)
                .join(api_tokens)
                .where(api_tokens.c.token_hash == hashlib.sha256(token.encode()).hexdigest())
            )
        return Holder(self._identity.principal_of_program(str(name)), frozenset(SCOPES))

    patch.setattr(ApiTokens, "holder_of", holder_of)
    patch.setattr(rag.identity, "_open_account", rag.identity._account)


def without_the_look_at_a_stream(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rag.service_asking, "_may_hear_draft", lambda *_: True)


def without_either_look_at_withdrawals(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(corpus.permissions, "PRESENT", tables.document.c.withdrawal)
    patch.setattr(corpus.permissions, "SUPERSEDED", tables.WITHDRAWN)


def without_the_look_at_what_is_live(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(corpus.permissions, "SUPERSEDED", tables.STAGED)


def without_the_highest_marking(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Permissions, "highest_marking", lambda *_: "")


def _one(connection: Any, column: Any, conversation_id: str) -> str:
    found = connection.scalar(
        sql.select(column).where(conversations.c.conversation_id == conversation_id)
    )
    return str(found or "")


MUTATIONS: list[tuple[Mutate, Probe]] = [
    (without_the_filter_of_the_index, probes.a03_the_index_is_asked_for_ones_own_only),
    (without_the_gate_for_chunks, probes.a43_rights_lost_between_the_search_and_the_gate_count),
    (without_telling_the_index_first, probes.a45_scores_tell_nothing_of_what_was_just_lost),
    (
        without_either_check_of_what_was_found,
        probes.a43_a_search_before_the_index_knows_finds_nothing_lost,
    ),
    (without_the_gate_for_versions, probes.a08_a_copied_address_opens_nothing_for_another),
    (without_the_epoch_in_the_key, probes.a33_taken_out_of_a_group_counts_from_the_next_request),
    (without_the_person_in_the_key, probes.a25_one_persons_decision_never_serves_another),
    (without_the_end_of_an_entry, probes.an_entry_that_has_ended_opens_nothing),
    (without_denials, probes.denying_wins_through_nested_groups),
    (without_nested_groups, probes.denying_wins_through_nested_groups),
    (without_clearances, probes.a_marking_asks_for_clearance),
    (
        without_the_filter_of_the_library,
        probes.a03_lists_counts_and_searches_hold_only_ones_own,
    ),
    (
        without_the_last_look_before_an_answer,
        probes.a43_an_answer_in_the_making_is_withheld_when_rights_are_lost,
    ),
    (without_the_look_at_a_draft, probes.a43_a_draft_is_not_shown_once_rights_are_lost),
    (without_the_look_at_history, probes.a44_memory_of_before_the_revocation_is_withheld),
    (without_the_look_at_history, probes.a05_a_shared_thread_shows_each_reader_their_own),
    (
        without_leaving_out_what_names_documents,
        side_doors.a05_a_shared_thread_names_no_document_that_its_reader_may_not_read,
    ),
    (without_the_owner_of_a_conversation, side_doors.a01_a_conversation_is_its_owners),
    (without_the_owner_of_a_turn, side_doors.a01_a_turn_is_its_owners),
    (
        without_whom_a_thread_is_shared_with,
        side_doors.a05_a_thread_is_read_by_those_it_is_shared_with,
    ),
    (without_whose_a_token_is, side_doors.a01_a_token_is_its_persons),
    (without_whose_a_source_is, side_doors.a01_runs_are_shown_to_the_owner_of_their_source),
    (without_the_gate_for_explanations, side_doors.a01_why_is_told_of_ones_own_sources_only),
    (without_the_gate_for_feedback, side_doors.a04_feedback_names_only_what_one_may_read),
    (
        without_the_version_in_the_key_of_texts,
        side_doors.a25_a_text_that_was_read_before_serves_no_other_document,
    ),
    (
        without_the_version_in_the_key_of_pictures,
        side_doors.a25_a_page_that_was_drawn_before_serves_no_other_document,
    ),
    (
        without_the_person_in_the_key_of_glass,
        side_doors.a25_what_one_person_reads_behind_the_glass_hides_no_other,
    ),
    (
        without_the_token_in_the_key_of_the_page,
        side_doors.a25_the_page_lets_in_by_ones_own_session,
    ),
    (
        without_the_reader_in_the_salt,
        side_doors.a26_what_the_model_server_keeps_of_a_prompt_serves_nobody_else,
    ),
    (
        without_the_secret_in_the_salt,
        side_doors.a26_what_the_model_server_keeps_of_a_prompt_serves_nobody_else,
    ),
    (without_scopes, side_doors.a33_a_token_goes_no_further_than_its_scopes),
    (without_asking_for_a_session, side_doors.a33_a_token_does_not_stand_in_for_its_person),
    (
        without_the_lock_of_an_account,
        side_doors.a33_whoever_is_locked_reads_nothing_by_any_token,
    ),
    (
        without_the_look_at_a_stream,
        side_doors.a43_a_stream_tells_no_more_of_a_draft_once_rights_are_lost,
    ),
    (
        without_either_look_at_withdrawals,
        side_doors.a43_what_was_withdrawn_is_nobodys_at_once,
    ),
    (
        without_the_look_at_what_is_live,
        side_doors.a43_an_edition_that_is_being_brought_in_is_nobodys_yet,
    ),
    (without_roles, side_doors.a46_a_role_is_asked_for_and_opens_no_document),
    (
        without_the_highest_marking,
        side_doors.everything_shown_and_handed_out_carries_the_highest_marking,
    ),
]


@pytest.mark.parametrize(
    "probe", [*probes.PROBES, *side_doors.SIDE_DOORS], ids=lambda probe: probe.__name__
)
def test_with_every_guard_in_place(world: World, probe: Probe) -> None:
    probe(world)


@pytest.mark.parametrize(
    ("mutate", "probe"), MUTATIONS, ids=[mutate.__name__ for mutate, _ in MUTATIONS]
)
def test_a_guard_taken_away_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch, mutate: Mutate, probe: Probe
) -> None:
    mutate(monkeypatch)

    with pytest.raises(AssertionError):
        probe(world)
