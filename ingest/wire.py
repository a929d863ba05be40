"""A parsed document as bytes, for the way out of the jail: JSON and plain numbers, no pickle."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from corpus.documents import Block, BlockKind, Page, ParsedDocument, WordTable
from ingest.parts import Part, is_safe_name
from ingest.quarantine import Reason

_LENGTH_BYTES = 8
_SPAN_COLUMNS, _BOX_COLUMNS = 3, 4


class Malformed(ValueError):
    """The bytes are not a parsed document."""


def pack(parsed: ParsedDocument) -> bytes:
    """Return the document as bytes."""
    head = json.dumps(
        {
            "text": parsed.text,
            "blocks": [
                [block.start, block.end, block.kind.value, block.level, block.place, block.context]
                for block in parsed.blocks
            ],
            "pages": [
                [page.number, page.start, page.end, page.width, page.height, page.ocr_confidence]
                for page in parsed.pages
            ],
            "title": parsed.title,
            "properties": parsed.properties,
            "words": len(parsed.words),
        }
    ).encode()
    words = WordTable.of(parsed.words)
    spans, boxes = words.spans.astype("<i8").tobytes(), words.boxes.astype("<f4").tobytes()
    length = len(head).to_bytes(_LENGTH_BYTES, "little")
    return b"".join((length, head, spans, boxes, parsed.rendition))


def unpack(data: bytes) -> ParsedDocument:
    """Return the document that the bytes hold, checked, for they come from a hostile place.

    Raises:
        Malformed: They hold none, or one whose offsets lead out of its text.
    """
    try:
        head, after = _head_of(data)
        count = int(head["words"])
        spans = np.frombuffer(data, dtype="<i8", offset=after, count=count * _SPAN_COLUMNS)
        after += spans.nbytes
        boxes = np.frombuffer(data, dtype="<f4", offset=after, count=count * _BOX_COLUMNS)
        parsed = ParsedDocument(
            text=str(head["text"]),
            blocks=tuple(
                Block(int(start), int(end), BlockKind(kind), int(level), str(place), str(context))
                for start, end, kind, level, place, context in head["blocks"]
            ),
            pages=tuple(
                Page(
                    int(number),
                    int(start),
                    int(end),
                    float(width),
                    float(height),
                    None if confidence is None else float(confidence),
                )
                for number, start, end, width, height, confidence in head["pages"]
            ),
            words=WordTable(spans.reshape(-1, _SPAN_COLUMNS), boxes.reshape(-1, _BOX_COLUMNS)),
            title=str(head["title"]),
            properties={str(name): str(value) for name, value in head["properties"].items()},
            rendition=data[after + boxes.nbytes :],
        )
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError) as error:
        raise Malformed("the parser's answer cannot be understood") from error
    _check_offsets(parsed)
    return parsed


def pack_parts(parts: Sequence[Part]) -> bytes:
    """Return the parts of a container as bytes."""
    head = json.dumps(
        [[part.name, len(part.data), part.reason, part.detail] for part in parts]
    ).encode()
    length = len(head).to_bytes(_LENGTH_BYTES, "little")
    return b"".join((length, head, *(part.data for part in parts)))


def unpack_parts(data: bytes) -> list[Part]:
    """Return the parts that the bytes hold.

    Raises:
        Malformed: They hold none, or one whose name leads out of its container.
    """
    parts = []
    try:
        head, position = _head_of(data)
        for name, size, reason, detail in head:
            content = data[position : position + int(size)]
            known = None if reason is None else Reason(reason)
            parts.append(Part(str(name), content, known, str(detail)))
            position += int(size)
    except (ValueError, TypeError, AttributeError) as error:
        raise Malformed("the list of parts cannot be understood") from error
    names = [part.name for part in parts]
    if not all(map(is_safe_name, names)) or len(set(names)) < len(names) or position != len(data):
        raise Malformed("the list of parts is not to be trusted")
    return parts


def _head_of(data: bytes) -> tuple[Any, int]:
    """Return the JSON at the front and where it ends."""
    after = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    return json.loads(data[_LENGTH_BYTES:after]), after


def _check_offsets(parsed: ParsedDocument) -> None:
    end = len(parsed.text)
    spans = [(block.start, block.end) for block in parsed.blocks]
    if any(not 0 <= start < stop <= end for start, stop in spans):
        raise Malformed("a block leads out of the text")
    if any(first[1] > second[0] for first, second in itertools.pairwise(spans)):
        raise Malformed("blocks overlap")
    starts, ends, pages = WordTable.of(parsed.words).spans.T
    if not np.all((starts >= 0) & (starts < ends) & (ends <= end) & (pages >= 0)):
        raise Malformed("a word leads out of the text")
