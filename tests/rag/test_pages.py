from io import BytesIO

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from corpus.documents import Box, VersionId
from rag.errors import NotFound, RagError
from rag.pages import MOST_PIXELS, PageImages, render_page

MARK = Box(page=1, x0=100, y0=200, x1=300, y1=212)


def pdf(*, pages: int = 2, width: float = 400, height: float = 600) -> bytes:
    written = BytesIO()
    canvas = Canvas(written, pagesize=(width, height))
    for number in range(pages):
        canvas.drawString(100, height - 100, f"Page {number + 1}")
        canvas.showPage()
    canvas.save()
    return written.getvalue()


def opened(png: bytes) -> Image.Image:
    image = Image.open(BytesIO(png))
    assert image.format == "PNG"
    return image.convert("RGB")


def pixel(image: Image.Image, x: float, y: float) -> tuple[int, int, int]:
    found = image.getpixel((round(x), round(y)))
    assert isinstance(found, tuple)
    return (int(found[0]), int(found[1]), int(found[2]))


def test_a_page_is_as_large_as_asked() -> None:
    image = opened(render_page(pdf(), 0, [], scale=2))

    assert image.size == (800, 1200)


def test_the_marked_span_is_yellow_and_has_a_bar_in_the_margin() -> None:
    image = opened(render_page(pdf(), 1, [MARK], scale=2))

    red, green, blue = pixel(image, 400, 412)
    assert red > 240
    assert green > 220
    assert blue < 200
    assert pixel(image, 2 * (100 - 9 + 1.5), 412) == (63, 75, 196)
    assert pixel(image, 400, 300) == (255, 255, 255)


def test_marks_of_another_page_are_left_out() -> None:
    marked, plain = (render_page(pdf(), 0, marks) for marks in ([MARK], []))

    assert marked == plain


def test_text_under_a_mark_stays_readable() -> None:
    here = Box(page=0, x0=100, y0=85, x1=160, y1=105)

    image = opened(render_page(pdf(), 0, [here], scale=2))

    darkest = min(pixel(image, x, y) for x in range(200, 320) for y in range(170, 210))
    assert max(darkest) < 120


def test_a_page_too_large_to_draw_is_made_smaller() -> None:
    image = opened(render_page(pdf(width=14_000, height=14_000), 0, []))

    assert image.width * image.height <= MOST_PIXELS * 1.01


@pytest.mark.parametrize("number", [-1, 2])
def test_a_page_that_is_not_there_is_not_found(number: int) -> None:
    with pytest.raises(NotFound):
        render_page(pdf(), number, [])


def test_what_is_no_pdf_cannot_be_drawn() -> None:
    with pytest.raises(RagError, match="cannot be drawn"):
        render_page(b"%PDF-1.7 nothing", 0, [])


def test_a_picture_is_drawn_once_and_the_oldest_is_forgotten() -> None:
    images = PageImages(capacity=2)
    reads: list[int] = []

    def look(number: int) -> bytes:
        def read() -> bytes:
            reads.append(number)
            return pdf(pages=3)

        return images.picture(VersionId("v"), number, [], read_pdf=read)

    first = look(0)
    assert look(0) == first
    look(1)
    look(2)
    look(0)

    assert reads == [0, 1, 2, 0]
