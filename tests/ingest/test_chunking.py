import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.documents import (
    Block,
    BlockKind,
    Chunk,
    ParsedDocument,
    line_boxes,
)
from ingest.building import DocumentBuilder
from ingest.chunking import CUTTER, ChunkLimits, cut, index_text, search_text
from ingest.parsers.pdf import parse
from ingest.parsers.sheets import add_sheet
from ingest.settings import Limits
from ingest.wire import pack, unpack
from tests.ingest import making

KINDS = st.sampled_from(list(BlockKind))
WORDS = st.text("abc .!?\n", min_size=1, max_size=900).filter(lambda text: bool(text.strip()))


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    parts: list[str] = []
    blocks: list[Block] = []
    length = 0
    for kind, text in draw(st.lists(st.tuples(KINDS, WORDS), min_size=1, max_size=12)):
        level = draw(st.integers(1, 3)) if kind is BlockKind.HEADING else 0
        blocks.append(Block(length, length + len(text), kind, level))
        parts += [text, "\n\n"]
        length += len(text) + 2
    return ParsedDocument("".join(parts), tuple(blocks))


@given(documents())
@settings(max_examples=150, deadline=None)
def test_chunks_cover_every_block_but_furniture_and_never_overlap(
    parsed: ParsedDocument,
) -> None:
    chunks = cut(parsed, limits=ChunkLimits(target=20, maximum=30, heading=5))

    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    covered: set[int] = set()
    for chunk in chunks:
        span = set(range(chunk.start, chunk.end))
        assert span
        assert chunk.end <= len(parsed.text)
        assert not span & covered
        covered |= span
    for block in parsed.blocks:
        letters = {at for at in range(block.start, block.end) if not parsed.text[at].isspace()}
        if block.kind is BlockKind.FURNITURE:
            assert not letters & covered
        else:
            assert letters <= covered


def built(*blocks: tuple[BlockKind, str]) -> ParsedDocument:
    builder = DocumentBuilder()
    for kind, text in blocks:
        builder.add(kind, text, level=1 if kind is BlockKind.HEADING else 0)
    return builder.finish()


def test_a_new_section_starts_a_new_chunk() -> None:
    parsed = built(
        (BlockKind.HEADING, "Leave"),
        (BlockKind.PARAGRAPH, "Five days may be carried over."),
        (BlockKind.HEADING, "Pay"),
        (BlockKind.PARAGRAPH, "Salaries are paid on the last working day."),
    )

    chunks = cut(parsed)

    assert [chunk.heading_path for chunk in chunks] == [("Leave",), ("Pay",)]


def test_a_paragraph_that_is_too_long_is_parted_between_sentences() -> None:
    sentence = "Each record is kept for as long as the law asks and not a day longer."
    parsed = built((BlockKind.PARAGRAPH, " ".join([sentence] * 40)))

    chunks = cut(parsed)

    texts = [parsed.text[chunk.start : chunk.end].strip() for chunk in chunks]
    assert len(texts) > 2
    assert all(text.startswith("Each") and text.endswith("longer.") for text in texts)
    assert max(len(text.split()) for text in texts) <= ChunkLimits().maximum


def test_text_without_spaces_is_parted_too() -> None:
    parsed = built((BlockKind.PARAGRAPH, "x" * 30_000))

    assert max(chunk.end - chunk.start for chunk in cut(parsed)) <= 4_000


def test_rows_of_a_long_table_keep_its_column_names() -> None:
    builder = DocumentBuilder()
    builder.add_table([["Name", "Room"], *[[f"Person {n}", f"Room {n}"] for n in range(90)]])
    parsed = builder.finish()

    chunks = cut(parsed)

    assert len(chunks) > 1
    assert {chunk.context for chunk in chunks} == {"Name | Room"}
    last = chunks[-1]
    assert "Name | Room" in search_text("Rooms", last, parsed.text[last.start : last.end])


def test_what_is_embedded_names_the_document_and_the_section() -> None:
    chunk = Chunk(0, 0, 9, ("Pay", "Overtime"), place="Slide 3")

    assert search_text("Handbook", chunk, "Overtime\n\nNone.") == (
        "Handbook \u203a Pay\nSlide 3\nOvertime\n\nNone."
    )
    assert "Handbook" in index_text("Handbook", chunk, "None.").headings


@pytest.fixture(scope="module")
def parsed_policy(tmp_path_factory: pytest.TempPathFactory) -> ParsedDocument:
    return parse(making.policy_pdf(tmp_path_factory.mktemp("pdf") / "policy.pdf"), Limits())


def test_every_chunk_of_a_pdf_has_a_page_and_boxes(parsed_policy: ParsedDocument) -> None:
    for chunk in cut(parsed_policy):
        boxes = line_boxes(parsed_policy.words, chunk.start, chunk.end)

        assert boxes
        assert chunk.page == boxes[0].page
        assert all(0 <= box.x0 < box.x1 <= 596 and 0 <= box.y0 < box.y1 <= 842 for box in boxes)


def test_no_chunk_of_a_pdf_holds_its_running_header(parsed_policy: ParsedDocument) -> None:
    texts = [parsed_policy.text[chunk.start : chunk.end] for chunk in cut(parsed_policy)]

    assert not any("HR-7" in text or "Page 2 of 3" in text for text in texts)
    assert "HR-7" in parsed_policy.text


def test_a_chunk_knows_the_headings_above_it(parsed_policy: ParsedDocument, tmp_path: Path) -> None:
    illness = next(
        chunk
        for chunk in cut(parsed_policy)
        if "Tell your manager" in parsed_policy.text[chunk.start : chunk.end]
    )

    assert illness.heading_path == ("2 Absence", "2.1 Illness")
    assert illness.page == 1


def test_a_list_stays_with_the_sentence_that_leads_to_it() -> None:
    sentence = "The firm keeps each record for as long as the law asks and no longer."
    parsed = built(
        (BlockKind.PARAGRAPH, " ".join([sentence] * 3)),
        (BlockKind.PARAGRAPH, "Bring these papers:"),
        *[(BlockKind.LIST_ITEM, f"{letter}) a paper of that kind") for letter in "abcd"],
    )

    chunks = cut(parsed, limits=ChunkLimits(target=40, maximum=60, heading=10))

    texts = [parsed.text[chunk.start : chunk.end] for chunk in chunks]
    assert texts[-1].startswith("Bring these papers:")
    assert texts[-1].endswith("d) a paper of that kind")


def test_chunks_are_cut_anew_from_the_parse_alone(parsed_policy: ParsedDocument) -> None:
    stored = unpack(pack(parsed_policy))

    assert cut(stored) == cut(parsed_policy)
    assert len(cut(stored, limits=ChunkLimits(20, 30, 5))) > len(cut(stored))


def test_whoever_lets_the_cutter_cut_otherwise_raises_its_number(
    parsed_policy: ParsedDocument,
) -> None:
    """What is kept is cut anew when the number changes, and only then."""
    spans = [(chunk.start, chunk.end, chunk.heading_path) for chunk in cut(parsed_policy)]
    digest = hashlib.sha256(repr(spans).encode()).hexdigest()[:12]

    assert (CUTTER, digest) == (1, "5ce905ba2173")
    assert ChunkLimits.of(130) == ChunkLimits()


def test_rows_of_a_sheet_are_cited_by_the_cells_that_hold_them_all() -> None:
    builder = DocumentBuilder()
    add_sheet(builder, "Fees", [["Item", "Fee"], [], ["Desk", "5"], ["", "7", "of AA"], ["x"] * 28])
    add_sheet(builder, "Rooms", [["", "Hall"]])

    chunks = cut(builder.finish())

    assert [chunk.place for chunk in chunks] == ["Sheet Fees, A1:AB5", "Sheet Rooms, B1"]


def test_what_is_embedded_of_a_sheet_names_the_sheet_and_not_its_cells() -> None:
    chunk = Chunk(0, 0, 4, place="Sheet Fees, A2:C4")

    assert search_text("Prices", chunk, "Desk") == "Prices\nSheet Fees\nDesk"


def test_rows_of_a_sheet_that_was_read_by_number_stay_together() -> None:
    builder = DocumentBuilder()
    builder.add(BlockKind.HEADING, "Fees", level=1, place="Sheet Fees")
    for number in (2, 3, 10):
        builder.add(BlockKind.TABLE_ROW, "Desk | 5", place=f"Sheet Fees, row {number}")

    assert [chunk.place for chunk in cut(builder.finish())] == ["Sheet Fees, rows 2 to 10"]
