"""What is read of a page's letters where their font or their direction is unusual."""

import pypdfium2 as pdfium
import pytest

from ingest.parsers.page_words import PageWords, words_of_page

DESCRIPTOR = (
    b"<< /Type /FontDescriptor /FontName /ABCDEF+Odd /Flags 4 /FontBBox [0 -200 1000 800]"
    b" /ItalicAngle 0 /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>"
)
GLYPH = b"10 0 0 0 10 10 d1 0 0 9 9 re f"
TO_ARABIC = (
    b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def"
    b" 1 begincodespacerange <00> <FF> endcodespacerange"
    b" 3 beginbfchar <41> <0627> <42> <0628> <43> <062A> endbfchar endcmap end end"
)


def stream(data: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data)


def words_in(content: bytes, *font: bytes) -> PageWords:
    """Return the words of a page in one font, made of the objects 5, 6, …."""
    resources = b"/Resources << /Font << /F 5 0 R >> >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R %s >>" % resources,
        stream(content),
        *font,
    ]
    written = b"%PDF-1.7\n"
    table = b"0000000000 65535 f \n"
    for number, one in enumerate(objects, 1):
        table += b"%010d 00000 n \n" % len(written)
        written += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    size = len(objects) + 1
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (size, len(written))
    document = pdfium.PdfDocument(written + b"xref\n0 %d\n%s%s" % (size, table, trailer))
    try:
        return words_of_page(document[0])
    finally:
        document.close()


def test_glyphs_of_a_large_font_that_does_not_tell_their_meaning_are_no_letters() -> None:
    font = (
        b"<< /Type /Font /Subtype /Type0 /BaseFont /ABCDEF+Odd /Encoding /Identity-H"
        b" /DescendantFonts [6 0 R] >>",
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /ABCDEF+Odd /FontDescriptor 7 0 R"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 1000 >>",
        DESCRIPTOR,
    )

    found = words_in(b"BT /F 12 Tf 50 100 Td <002400250400> Tj 0 -40 Td <C82AC82B> Tj ET", *font)

    assert found.texts == ["\ufffd" * 3, "\ufffd" * 2]
    assert found.unmapped > 0.5


def test_codes_of_a_small_font_that_does_not_tell_their_meaning_are_letters() -> None:
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 10 10] /FontMatrix [0.1 0 0 0.1 0 0]"
        b" /FirstChar 65 /LastChar 66 /Widths [10 10] /CharProcs << /g1 6 0 R /g2 6 0 R >>"
        b" /Encoding << /Differences [65 /g1 /g2] >> /Resources << >> >>",
        stream(GLYPH),
    )

    found = words_in(b"BT /F 12 Tf 50 100 Td (AB) Tj ET", *font)

    assert found.texts == ["AB"]
    assert found.unmapped == 0


def test_the_box_of_a_figure_in_a_line_that_runs_to_the_left_holds_all_of_it() -> None:
    font = (
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding"
        b" /ToUnicode 6 0 R >>",
        stream(TO_ARABIC),
    )

    found = words_in(rb"BT /F 12 Tf 50 100 Td (\(2024 CBA ACB BAC) Tj ET", *font)

    assert found.texts[-1] == "2024)"
    left, _, right, _ = found.marks[-1].tolist()
    assert (left, right) == pytest.approx((50, 80.7), abs=0.1)
