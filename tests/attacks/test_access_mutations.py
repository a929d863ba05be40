"""Take away each guard in turn: the probe named beside it notices."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sql

import corpus.index.edge
import corpus.permissions
import rag.assistant
import rag.retrieval
import rag.service_asking
from corpus import tables
from corpus.access import AuthorizedChunk, AuthorizedVersion, Effect, Gate, Named
from corpus.admission import Asker, asker_of
from corpus.index import filters
from corpus.permissions import Decisions, Permissions
from tests.attacks import probes
from tests.attacks.probes import Probe
from tests.attacks.world import World

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
]


@pytest.mark.parametrize("probe", probes.PROBES, ids=lambda probe: probe.__name__)
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
