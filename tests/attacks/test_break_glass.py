"""What is read by break-glass alone is on record before it is read, whichever way it is reached."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.attacks.probes import CANARY, furnish, version_of
from tests.attacks.world import World

USED = "access.break_glass.use"


def open_for(world: World, person: str, path: str = "fin/") -> str:
    asked = world.catalog.request_opening(
        person=person,
        source_id=world.source.source_id,
        path=path,
        reason="Inquest 12/26",
        minutes=60,
        requested_by="operator",
    )
    world.catalog.approve_opening(asked.request_id, approved_by="admin")
    world.pipeline.apply_access()
    return asked.request_id


def uses(world: World) -> list[tuple[str, str]]:
    entries = world.record.entries(type=USED, limit=500)
    return [(one.person, str(one.envelope["opening"])) for one in entries]


def test_every_way_to_a_document_behind_the_glass_leaves_its_event(world: World) -> None:
    version_id = version_of(world, furnish(world))
    opening = open_for(world, "carol")
    place = f"/v1/versions/{version_id}"
    ways: tuple[Callable[[], str], ...] = (
        lambda: str(world.search("carol").text),
        lambda: str(world.ask("carol")["answer"]),
        lambda: str(world.get("carol", f"{place}/original").text),
        lambda: str(world.get("carol", f"{place}/passage", start=0, end=40).text),
    )

    for number, way in enumerate(ways, start=1):
        world.clock.now += timedelta(minutes=2)
        assert CANARY in way()
        assert len(uses(world)) == number

    assert set(uses(world)) == {("carol", opening)}
    told = world.record.entries(type=USED, limit=1)[0].summary
    assert told.startswith("BREAK-GLASS USED by carol")
    assert "Inquest 12/26" in told


def test_looking_again_within_a_minute_is_one_reading(world: World) -> None:
    version_id = version_of(world, furnish(world))
    open_for(world, "carol")

    for _ in range(3):
        world.get("carol", f"/v1/versions/{version_id}/original")

    assert len(uses(world)) == 1


def test_who_may_read_anyway_uses_no_glass(world: World) -> None:
    version_id = version_of(world, furnish(world))
    open_for(world, "alice")
    open_for(world, "carol")

    assert CANARY in world.get("alice", f"/v1/versions/{version_id}/original").text
    assert CANARY in world.search("alice").text
    assert world.get("bob", "/v1/documents").json()["total"] == 1

    assert uses(world) == []


@pytest.mark.parametrize("path", ["", "fin/", "fin/secret.txt"])
def test_a_source_a_folder_and_a_document_can_be_behind_it(world: World, path: str) -> None:
    version_id = version_of(world, furnish(world))
    open_for(world, "carol", path)

    world.get("carol", f"/v1/versions/{version_id}/original")

    assert len(uses(world)) == 1


def test_without_the_record_the_glass_stays_shut(world: World) -> None:
    version_id = version_of(world, furnish(world))
    open_for(world, "carol")
    holder = sqlite3.connect(world.folder / "audit" / "audit.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        reply = world.get("carol", f"/v1/versions/{version_id}/original")
    finally:
        holder.close()

    assert reply.status_code == 503
    assert CANARY not in reply.text
