"""Text from bytes, whatever encoding they are in."""

import codecs
import re

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
"""UTF-32 first: its mark begins with that of UTF-16."""

SAMPLE_BYTES = 64_000
ENOUGH_TO_GUESS = 8
"""Bytes beyond ASCII: fewer are the odd accent or pound sign of a Western text."""
_USUAL = "cp1252"
_DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.I)
_XML_DECLARED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{2,40})", re.I)


def decoded(data: bytes) -> str:
    """Return text by its mark, by the pattern of its zero bytes, as UTF-8, else by a guess."""
    certain = marked_encoding(data) or unmarked_wide_encoding(data)
    if certain:
        return data.decode(certain, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_guessed(data), errors="replace")


def without_double_encoding(text: str) -> str:
    """Return a text that was encoded as UTF-8 twice as it was meant; any other unchanged.

    Text that is right does not decode a second time: its accents make no whole UTF-8.
    """
    for encoding in ("latin-1", _USUAL):
        try:
            repaired = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return repaired
    return text


def decoded_markup(data: bytes) -> str:
    """Return the text of a web page: by its mark, as it says itself if that fits, else guessed."""
    said = _XML_DECLARED.search(data[:1_024]) or _DECLARED.search(data[:4_096])
    if said and not marked_encoding(data) and not unmarked_wide_encoding(data):
        try:
            return data.decode(said[1].decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            return decoded(data)
    return decoded(data)


def marked_encoding(data: bytes) -> str:
    """Return the encoding that a byte order mark tells, empty without one."""
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "")


def unmarked_wide_encoding(data: bytes) -> str:
    """Return UTF-16 or UTF-32 where the zero bytes stand as in one of them, else empty.

    Letters of the Latin alphabet, digits and spaces have zeros beside them there; text that
    has none of these cannot be told this way.
    """
    sample = data[: SAMPLE_BYTES - SAMPLE_BYTES % 4]
    if len(sample) < 8 or b"\0" not in sample:
        return ""
    zeros = [sample[place::4].count(0) / len(sample[place::4]) for place in range(4)]
    candidates = (
        ("utf-32-le", zeros[2] > 0.95 and zeros[3] == 1.0),
        ("utf-32-be", zeros[1] > 0.95 and zeros[0] == 1.0),
        ("utf-16-le", min(zeros[1], zeros[3]) > 0.2 and max(zeros[0], zeros[2]) < 0.05),
        ("utf-16-be", min(zeros[0], zeros[2]) > 0.2 and max(zeros[1], zeros[3]) < 0.05),
    )
    for encoding, fits in candidates:
        if fits and _decodes(sample, encoding):
            return encoding
    return ""


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text[:2_000])


def _guessed(data: bytes) -> str:
    sample = data[:SAMPLE_BYTES]
    if sum(byte > 127 for byte in sample) < ENOUGH_TO_GUESS:
        return _USUAL
    best = from_bytes(sample).best()
    return best.encoding if best else _USUAL
