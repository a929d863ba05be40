"""unstructured without the language models it would download.

Its text classification asks spaCy for sentences and parts of speech, with a language model that
is fetched from the network when it is missing. Structure comes from the documents' own styles
here, so simple rules stand in for those three functions. The module that holds them is replaced
before it is imported: it would bring in spaCy and with that torch, which make the process that
reads documents three times as large, and every copy of it for a document three times as dear.
So would its list of English words, of which a heading needs one, and a table of all languages,
for it is told to detect none.
A test fails when the names move.
"""

import re
import sys
from collections.abc import Iterable
from types import ModuleType

from lxml import html  # type: ignore[import-untyped]

from corpus.documents import BlockKind
from ingest.building import DocumentBuilder

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def _sentences(text: str) -> list[str]:
    return _SENTENCE_END.split(text)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def _parts_of_speech(text: str) -> list[tuple[str, str]]:
    """Call every word a noun: whether a text holds a verb decides nothing here."""
    return [(word, "NN") for word in _words(text)]


REPLACED = {
    "pos_tag": _parts_of_speech,
    "sent_tokenize": _sentences,
    "word_tokenize": _words,
}


class _AnyWord:
    """Holds every word: which language a heading is in does not make it one."""

    def __contains__(self, word: object) -> bool:
        return True


class _NoLanguage:
    """Knows no language by any name."""

    @classmethod
    def match(cls, name: str) -> "_NoLanguage":
        raise LookupError(name)


def _without_downloads() -> None:
    language = ModuleType("unstructured.nlp.tokenize")
    for name, function in REPLACED.items():
        setattr(language, name, function)
    words = ModuleType("unstructured.nlp.english_words")
    words.ENGLISH_WORDS = _AnyWord()  # type: ignore[attr-defined]
    languages = ModuleType("iso639")
    for name, thing in (("Language", _NoLanguage), ("LanguageNotFoundError", LookupError)):
        setattr(languages, name, thing)
    for module in (language, words, languages):
        sys.modules[module.__name__] = module


_without_downloads()

from unstructured.documents.elements import Element  # noqa: E402 - after what it must not import
from unstructured.partition import text_type  # noqa: E402
from unstructured.partition.docx import partition_docx  # noqa: E402
from unstructured.partition.html import partition_html  # noqa: E402
from unstructured.partition.pptx import partition_pptx  # noqa: E402

# Whoever imported this module of theirs before has the real functions in it.
for _name, _function in REPLACED.items():
    if not hasattr(text_type, _name):
        raise ImportError(f"unstructured.partition.text_type has no {_name} any more")
    setattr(text_type, _name, _function)

__all__ = [
    "FOOTNOTE_MARK",
    "UNDETECTED",
    "add_elements",
    "partition_docx",
    "partition_html",
    "partition_pptx",
    "rows_of",
]

FOOTNOTE_MARK = "\ue0f7"
"""Begins a paragraph that was a note: a private character, which documents do not use."""
UNDETECTED = [""]
"""As languages, tells unstructured to detect none: that is done once for every format."""

_KINDS = {
    "Title": BlockKind.HEADING,
    "ListItem": BlockKind.LIST_ITEM,
    "Header": BlockKind.FURNITURE,
    "Footer": BlockKind.FURNITURE,
    "PageNumber": BlockKind.FURNITURE,
}
_SKIPPED = frozenset({"PageBreak", "Image"})
_MARKED = re.compile(r"\s*(\W|\(?\w{1,4}[.)]\s)")


def add_elements(
    builder: DocumentBuilder, elements: Iterable[Element], *, place: str = "", offset: int = 1
) -> None:
    """Append what unstructured found.

    Args:
        builder: Takes the blocks.
        elements: In reading order.
        place: Where they stand, in words for a reader.
        offset: Added to heading depths, which unstructured counts from 0.
    """
    for element in elements:
        if element.category in _SKIPPED:
            continue
        if element.category == "Table" and element.metadata.text_as_html:
            builder.add_table(rows_of(element.metadata.text_as_html), place=place)
            continue
        if element.text.startswith(FOOTNOTE_MARK):
            builder.add(BlockKind.FOOTNOTE, element.text[1:], place=place)
            continue
        kind = _KINDS.get(element.category, BlockKind.PARAGRAPH)
        if kind is BlockKind.HEADING and not _is_heading(element.text):
            kind = BlockKind.PARAGRAPH
        level = 0
        if kind is BlockKind.HEADING:
            level = (element.metadata.category_depth or 0) + offset
        bare = kind is BlockKind.LIST_ITEM and not _MARKED.match(element.text)
        text = f"• {element.text}" if bare else element.text
        builder.add(kind, text, level=level, place=place)


def _is_heading(text: str) -> bool:
    """Say whether a supposed title reads like one: with no verbs known, too much is a title."""
    text = text.strip()
    return len(text) <= 160 and not text.endswith((".", ";", ","))


def rows_of(table_html: str) -> list[list[str]]:
    """Return the cells of an HTML table, row by row; a cell over several columns repeats not."""
    table = html.fromstring(table_html)
    rows = []
    for row in table.iter("tr"):
        cells: list[str] = []
        for cell in row.iter("td", "th"):
            cells.append(" ".join(" ".join(cell.itertext()).split()))
            cells.extend([""] * (int(cell.get("colspan", "1") or 1) - 1))
        rows.append(cells)
    return rows
