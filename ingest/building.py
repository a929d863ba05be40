"""One canonical text, grown block by block."""

import re
import unicodedata
from collections.abc import Sequence

from corpus.documents import CELL_JOINT, Block, BlockKind, ParsedDocument
from ingest.errors import Quarantined
from ingest.quarantine import Reason

HIDDEN_WORDS = "Hidden words"
"""The property that says how many words of a document nobody can see, and on which pages."""
_INVISIBLE = re.compile("[\u00ad\u200b\u200c\u200d\u2060\ufeff\ufffe\x00-\x08\x0b\x0c\x0e-\x1f]")
_SPACES = re.compile(r"[^\S\n]+")
_COMPATIBLE = re.compile("[\ufb00-\ufb06\u2011]")


def clean(text: str) -> str:
    """Return text without soft hyphens, control characters, ligatures and runs of spaces."""
    text = _INVISIBLE.sub("", text)
    text = _COMPATIBLE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return _SPACES.sub(" ", text).strip()


class DocumentBuilder:
    """Collects the blocks of a document without pages."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0

    def add(
        self, kind: BlockKind, text: str, *, level: int = 0, place: str = "", context: str = ""
    ) -> None:
        """Append a block; blank text adds nothing."""
        text = clean(text)
        if not text:
            return
        if self._blocks:
            close = kind == self._blocks[-1].kind and kind in _SET_CLOSE
            self._append("\n" if close else "\n\n")
        start = self._length
        self._append(text)
        self._blocks.append(Block(start, self._length, kind, level, place, context))

    def add_table(self, rows: Sequence[Sequence[str]], *, place: str = "") -> None:
        """Append a table whose first row names the columns when it can."""
        cells = [[clean(cell).replace("\n", " ") for cell in row] for row in rows]
        cells = [row for row in cells if any(row)]
        while len(cells) > 1 and len(cells[0]) > 1 and sum(map(bool, cells[0])) == 1:
            self.add(BlockKind.PARAGRAPH, joined([cell for cell in cells.pop(0) if cell]))
        header: list[str] = []
        for number, row in enumerate(cells):
            context = joined(header)
            if not number and len(cells) > 1 and names_columns(row):
                header = row
            self.add(BlockKind.TABLE_ROW, joined(row), place=place, context=context)

    def finish(
        self, *, title: str = "", properties: dict[str, str] | None = None
    ) -> ParsedDocument:
        """Return the document.

        Raises:
            Quarantined: Nothing was added: a document without text is never a success.
        """
        if not self._blocks:
            raise Quarantined(Reason.NO_TEXT)
        text = "".join(self._parts)
        title = clean(title) or first_heading(text, self._blocks)
        kept = {name: clean(value) for name, value in (properties or {}).items() if clean(value)}
        return ParsedDocument(text, tuple(self._blocks), title=title, properties=kept)

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)


_SET_CLOSE = (BlockKind.TABLE_ROW, BlockKind.LIST_ITEM)


def joined(cells: Sequence[str]) -> str:
    """Return the cells of a row as one line."""
    return CELL_JOINT.join(cells).strip()


def names_columns(cells: Sequence[str]) -> bool:
    """Say whether a row reads like column headers: short, filled and not figures."""
    filled = [cell for cell in cells if cell]
    if not filled or len(filled) < len(cells) / 2:
        return False
    return all(len(cell) <= 80 and not is_figure(cell) for cell in filled)


def is_figure(cell: str) -> bool:
    """Say whether a cell holds an amount, a share or a date rather than words."""
    digits = sum(character.isdigit() for character in cell)
    return digits * 2 > len(cell.replace(" ", "")) and not re.fullmatch(r"(19|20)\d\d", cell)


def first_heading(text: str, blocks: Sequence[Block]) -> str:
    """Return the first heading, empty when there is none."""
    for block in blocks:
        if block.kind is BlockKind.HEADING:
            return " ".join(text[block.start : block.end].split())
    return ""
