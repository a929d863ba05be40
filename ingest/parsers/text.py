"""Plain text: paragraphs between blank lines, list items, lone short lines as headings."""

import re
from pathlib import Path

from corpus.documents import BlockKind, ParsedDocument
from ingest.building import DocumentBuilder
from ingest.decoding import decoded, without_double_encoding
from ingest.settings import Limits

_NUMBERED = re.compile(r"^\d+(\.\d+)*\.?\s+\S")
_BULLET = re.compile(r"^\s*([-*•▪\u2013]|\(?[0-9a-z]{1,3}[.)])\s+")


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read a text file.

    Raises:
        Quarantined: Nothing but blank.
    """
    builder = DocumentBuilder()
    add_text(builder, without_double_encoding(decoded(location.read_bytes())))
    return builder.finish()


def add_text(builder: DocumentBuilder, text: str) -> None:
    """Append plain text: paragraphs, list items, and lone short lines as headings."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for paragraph in re.split(r"\n[ \t]*\n|\f", text):
        lines = [line.rstrip() for line in paragraph.split("\n") if line.strip()]
        if not lines:
            continue
        if len(lines) == 1 and _is_heading(lines[0]):
            builder.add(BlockKind.HEADING, lines[0], level=_depth(lines[0].strip()))
        else:
            _add_lines(builder, lines)


def _add_lines(builder: DocumentBuilder, lines: list[str]) -> None:
    items = [number for number, line in enumerate(lines) if _BULLET.match(line)]
    starts = sorted({0, *items}) if len(items) > 1 or 0 in items else [0]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        kind = BlockKind.LIST_ITEM if start in items else BlockKind.PARAGRAPH
        builder.add(kind, "\n".join(lines[start:end]))


def _is_heading(line: str) -> bool:
    line = line.strip()
    if len(line) > 80 or line[-1] in ".,;:!?" or not any(map(str.isalpha, line)):
        return False
    return bool(_NUMBERED.match(line)) or line.isupper()


def _depth(line: str) -> int:
    numbered = _NUMBERED.match(line)
    return line.split(maxsplit=1)[0].rstrip(".").count(".") + 1 if numbered else 1
