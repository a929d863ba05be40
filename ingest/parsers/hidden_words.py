"""Words on a page that nobody sees: white on white, wholly transparent, not drawn at all.

A reader who is shown the page could not check them, and whoever plants orders to a machine
writes them so. They are suspected by how they are drawn and convicted by the picture of the page:
a word is unseen where its box holds one shade alone. So white type on a dark bar stays, and so
does the text that lies undrawn over the picture of a scan.
"""

import numpy as np
import pypdfium2 as pdfium

from ingest.parsers.page_words import PAINTED, UNPAINTED, Flags, PageWords, only

DOTS_PER_POINT = 2.0
LARGEST_PIXELS = 20_000_000
"""Of the picture that is looked at; a larger page is drawn smaller."""
CONTRAST = 24
"""Shades of 256 between the darkest and the lightest in a box from which a word can be seen."""


def without_hidden(page: pdfium.PdfPage, words: PageWords) -> tuple[PageWords, int]:
    """Return the words of a page that can be seen, and how many cannot."""
    if not len(words.paint):
        return words, 0
    suspected = words.paint != PAINTED
    unseen = suspected & _on_one_shade(page, words, suspected)
    layer = words.paint == UNPAINTED
    if unseen[layer].sum() * 2 < layer.sum():
        # The text of a scan: what lies beside its ink there is as true as the rest.
        unseen &= ~layer
    return (only(words, ~unseen), int(unseen.sum())) if unseen.any() else (words, 0)


def _on_one_shade(page: pdfium.PdfPage, words: PageWords, asked: Flags) -> Flags:
    """Return for the words asked about whether their box is of one shade."""
    width, height = page.get_size()
    scale = min(DOTS_PER_POINT, (LARGEST_PIXELS / max(1.0, width * height)) ** 0.5)
    picture = page.render(scale=scale, grayscale=True).to_numpy()
    shades = np.asarray(picture).reshape(picture.shape[0], picture.shape[1], -1)[:, :, 0]
    one_shade = np.zeros(len(words), dtype=bool)
    for place in np.flatnonzero(asked).tolist():
        corners = (words.marks[place] * scale).round().astype(int).clip(0).tolist()
        x0, y0, x1, y1 = corners
        part = shades[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
        one_shade[place] = not part.size or int(part.max()) - int(part.min()) < CONTRAST
    return one_shade
