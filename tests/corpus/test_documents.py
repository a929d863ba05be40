from hypothesis import given
from hypothesis import strategies as some

from corpus.documents import Block, BlockKind, Box, Page, Word, line_boxes, page_of, section_of

PAGES = [Page(0, 0, 10, 595, 842), Page(1, 10, 10, 595, 842), Page(2, 10, 30, 595, 842)]


@some.composite
def laid_out(draw: some.DrawFn) -> list[Word]:
    """Words in text order, each somewhere, of any size, on pages that follow one another."""
    words: list[Word] = []
    start, page = 0, 0
    for _ in range(draw(some.integers(0, 12))):
        length = draw(some.integers(1, 9))
        page += draw(some.sampled_from([0, 0, 0, 1]))
        x0, y0 = draw(some.integers(0, 500)), draw(some.integers(0, 700))
        width, height = draw(some.integers(1, 90)), draw(some.integers(1, 40))
        words.append(Word(start, start + length, page, x0, y0, x0 + width, y0 + height))
        start += length + 1
    return words


@given(words=laid_out(), start=some.integers(0, 120), length=some.integers(0, 120))
def test_every_word_of_a_span_is_inside_one_of_its_boxes(
    words: list[Word], start: int, length: int
) -> None:
    end = start + length
    boxes = line_boxes(words, start, end)

    for word in words:
        if word.start < end and word.end > start:
            assert any(covers(box, word) for box in boxes)


@given(words=laid_out(), start=some.integers(0, 120), length=some.integers(0, 120))
def test_boxes_stand_only_on_pages_the_span_has_words_on(
    words: list[Word], start: int, length: int
) -> None:
    end = start + length
    pages = [word.page for word in words if word.start < end and word.end > start]

    assert {box.page for box in line_boxes(words, start, end)} == set(pages)


def test_words_of_a_line_share_one_box() -> None:
    words = [Word(0, 3, 0, 10, 20, 40, 30), Word(4, 7, 0, 50, 21, 80, 31)]

    assert line_boxes(words, 0, 7) == [Box(0, 10, 20, 80, 31)]


def test_a_new_line_gets_a_box_of_its_own() -> None:
    words = [Word(0, 3, 0, 10, 20, 40, 30), Word(4, 7, 0, 10, 32, 40, 42)]

    assert line_boxes(words, 0, 7) == [Box(0, 10, 20, 40, 30), Box(0, 10, 32, 40, 42)]


def test_lines_set_so_close_that_their_boxes_overlap_keep_apart() -> None:
    words = [Word(0, 3, 0, 10, 493.2, 40, 503.2), Word(4, 7, 0, 10, 498.0, 40, 506.8)]

    assert len(line_boxes(words, 0, 7)) == 2


def test_a_small_mark_beside_a_word_stands_in_its_line() -> None:
    words = [Word(0, 3, 0, 10, 20, 40, 31), Word(3, 4, 0, 40, 20, 43, 26)]

    assert line_boxes(words, 0, 4) == [Box(0, 10, 20, 43, 31)]


def test_what_stands_between_two_columns_of_a_line_is_not_marked() -> None:
    words = [Word(0, 3, 0, 10, 20, 40, 30), Word(4, 7, 0, 200, 20, 240, 30)]

    assert line_boxes(words, 0, 7) == [Box(0, 10, 20, 40, 30), Box(0, 200, 20, 240, 30)]


def test_a_span_without_words_has_no_boxes() -> None:
    assert line_boxes([Word(0, 3, 0, 10, 20, 40, 30)], 3, 4) == []


def test_an_offset_is_on_the_page_that_holds_it() -> None:
    assert [page_of(PAGES, offset) for offset in (0, 9, 10, 29)] == [0, 0, 2, 2]


def test_an_offset_after_the_end_is_on_the_last_page() -> None:
    assert page_of(PAGES, 99) == 2


def test_a_document_without_pages_has_none() -> None:
    assert page_of([], 0) is None


def covers(box: Box, word: Word) -> bool:
    return (
        box.page == word.page
        and box.x0 <= word.x0
        and box.y0 <= word.y0
        and box.x1 >= word.x1
        and box.y1 >= word.y1
    )


SECTIONS = (
    Block(0, 7, BlockKind.PARAGRAPH),
    Block(8, 15, BlockKind.HEADING, level=1),
    Block(16, 30, BlockKind.PARAGRAPH),
    Block(31, 40, BlockKind.HEADING, level=2),
    Block(41, 60, BlockKind.LIST_ITEM),
    Block(61, 70, BlockKind.HEADING, level=1),
    Block(71, 90, BlockKind.PARAGRAPH),
)


def test_a_section_reaches_from_its_heading_to_the_next_of_its_level() -> None:
    assert section_of(SECTIONS, 45) == (31, 60)
    assert section_of(SECTIONS, 20) == (8, 60)
    assert section_of(SECTIONS, 89) == (61, 90)
    assert section_of(SECTIONS, 8) == (8, 60)


def test_what_stands_above_every_heading_is_in_no_section() -> None:
    assert section_of(SECTIONS, 3) is None
    assert section_of((), 0) is None
