"""A document is brought in, answered from, and erased: nothing of it is left but its receipt."""

import shutil
import time
from pathlib import Path

from muniment.assembly import House, open_house
from muniment.programs import working
from muniment.settings import load_settings
from rag.contract import Answer, Citation, Outcome, Passage, Sentence
from rag.forgetting import ERASED_SENTENCE
from tests.journeys.test_crashes import CANARY, KEPT_MODEL, World, holding_canary

WAIT_SECONDS = 300


def wait_until_idle(house: House) -> None:
    until = time.monotonic() + WAIT_SECONDS
    catalog = house.catalog
    while catalog.erasures() or any(run.state in {"queued", "running"} for run in catalog.runs()):
        assert time.monotonic() < until, "the worker does not come to an end"
        time.sleep(0.05)


def answered_from(house: House, path: str) -> Answer:
    """What an answer that quotes a document keeps of it."""
    (version,) = [one for one in house.catalog.live_versions() if one.path == path]
    (chunk,) = house.catalog.chunks_of(version.version_id)
    text, start, end = chunk.text, chunk.chunk.start, chunk.chunk.end
    return Answer(
        outcome=Outcome.ANSWERED,
        sentences=[Sentence(text=text, citations=[1], quoted=True)],
        citations=[
            Citation(
                number=1,
                document_id=version.document_id,
                version_id=version.version_id,
                version_number=version.number,
                title=version.title,
                path=path,
                heading_path=[],
                page=None,
                place="",
                start=start,
                end=end,
                quote=text,
                marks=[],
            )
        ],
        passages=[
            Passage(
                chunk_id=chunk.chunk_id,
                document_id=version.document_id,
                version_id=version.version_id,
                version_number=version.number,
                title=version.title,
                path=path,
                source="files",
                heading_path=[],
                page=None,
                place="",
                start=start,
                end=end,
                text=text,
                score=1.0,
            )
        ],
    )


def test_no_store_holds_a_byte_of_an_erased_document_nor_does_an_answer(tmp_path: Path) -> None:
    world = World(tmp_path / "documents", tmp_path / "data")
    world.documents.mkdir()
    if KEPT_MODEL.is_dir():
        shutil.copytree(KEPT_MODEL, world.data / "cache" / "embedding")
    secret = world.documents / f"{CANARY}.txt"
    secret.write_text(f"The code word is {CANARY}. It is told to nobody.\n")
    settings = load_settings(data=world.data, model_off=True, ocr="off")

    with open_house(settings, worker=True) as house, working(house):
        source = house.catalog.add_source(
            name="files", location=world.documents, groups=frozenset({"staff"})
        )
        house.catalog.queue_run(source.source_id)
        wait_until_idle(house)
        answer = answered_from(house, secret.name)
        turn = house.conversations.start_turn("ada", "What is the word?")
        house.conversations.finish(turn.turn_id, answer)
        held_before = holding_canary(world)
        secret.unlink()

        house.catalog.ask_erasure(
            house.catalog.live_versions()[0].document_id, by="operator", ground="its owner asked"
        )
        wait_until_idle(house)
        kept = house.conversations.turn("ada", turn.turn_id).answer
        (receipt,) = house.record.entries(type="doc.erase")

    assert any("service" in name or "rag" in name for name in held_before), held_before
    assert holding_canary(world) == []
    assert kept is not None
    assert [one.text for one in kept.sentences] == [ERASED_SENTENCE]
    assert (kept.citations, kept.passages) == ([], [])
    cleared = receipt.envelope["places"]
    assert isinstance(cleared, list)
    places = {str(one["place"]): (one["removed"], one["left"]) for one in cleared}  # type: ignore[index,call-overload]
    assert places["conversations"] == (1, 0)
    assert all(left == 0 for _, left in places.values())
