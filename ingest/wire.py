"""A parsed document as bytes, for the way out of the jail: JSON and plain numbers, no pickle."""

import itertools
import json

import numpy as np

from corpus.documents import Block, BlockKind, Page, ParsedDocument, Word

_LENGTH_BYTES = 8
_WORD_COLUMNS = 7


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
        }
    ).encode()
    words = np.array(parsed.words, dtype="<f8").reshape(-1, _WORD_COLUMNS)
    return len(head).to_bytes(_LENGTH_BYTES, "little") + head + words.tobytes()


def unpack(data: bytes) -> ParsedDocument:
    """Return the document that the bytes hold, checked, for they come from a hostile place.

    Raises:
        Malformed: They hold none, or one whose offsets lead out of its text.
    """
    try:
        length = int.from_bytes(data[:_LENGTH_BYTES], "little")
        head = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
        numbers = np.frombuffer(data, dtype="<f8", offset=_LENGTH_BYTES + length)
        rows = numbers.reshape(-1, _WORD_COLUMNS).tolist()
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
            words=tuple(
                Word(int(start), int(end), int(page), x0, y0, x1, y1)
                for start, end, page, x0, y0, x1, y1 in rows
            ),
            title=str(head["title"]),
            properties={str(name): str(value) for name, value in head["properties"].items()},
        )
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError) as error:
        raise Malformed("the parser's answer cannot be understood") from error
    _check_offsets(parsed)
    return parsed


def _check_offsets(parsed: ParsedDocument) -> None:
    end = len(parsed.text)
    spans = [(block.start, block.end) for block in parsed.blocks]
    if any(not 0 <= start < stop <= end for start, stop in spans):
        raise Malformed("a block leads out of the text")
    if any(first[1] > second[0] for first, second in itertools.pairwise(spans)):
        raise Malformed("blocks overlap")
    if any(not 0 <= word.start < word.end <= end for word in parsed.words):
        raise Malformed("a word leads out of the text")
