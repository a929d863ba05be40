"""Pages for documents that have none: drawn by LibreOffice, and the text anchored to them.

The canonical text stays what the document's own structure gives. Its words are matched with the
words of the drawn pages; those that match get a box, the others get none.
"""

import re
import tempfile
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

from corpus.documents import Page, ParsedDocument, Word
from ingest.errors import Quarantined
from ingest.parsers import pdf
from ingest.parsers.libreoffice import converted, installed
from ingest.settings import Limits

ANCHOR_WORDS = 3
"""Words in a row that stand once in the text and once on the pages are surely the same."""
LARGEST_GAP = 1_500
"""Words between two anchors that are still compared one with another."""
LEAST_ANCHORED = 0.5
"""With a smaller share of words on the pages, the pages would mislead."""

_TOKEN = re.compile(r"\S+")
_PLAIN = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text and where it stands in it."""

    start: int
    end: int
    key: str


def with_pages(
    parsed: ParsedDocument, location: Path, *, suffix: str, limits: Limits
) -> ParsedDocument:
    """Return a document with the pages LibreOffice draws it on, unchanged where it cannot.

    Args:
        parsed: Without pages.
        location: The original.
        suffix: What its content is, such as ".docx".
        limits: Whether pages are wanted at all, and the time for them.
    """
    if not limits.office_pages or not installed():
        return parsed
    try:
        drawn = converted(location, suffix=suffix, to="pdf", limits=limits)
        with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
            file.write(drawn)
            file.flush()
            on_pages = pdf.parse(Path(file.name), replace(limits, ocr="off"))
    except Quarantined:
        return parsed
    return anchored(parsed, on_pages, drawn)


def anchored(parsed: ParsedDocument, drawn: ParsedDocument, rendition: bytes) -> ParsedDocument:
    """Return a document with the pages, and the boxes of the words found on them.

    Unchanged where too few words are found for the pages to be of use.
    """
    words = _anchored_words(parsed.text, drawn)
    total = sum(1 for token in tokens_of(parsed.text) if token.key)
    if len(words) < LEAST_ANCHORED * total:
        return parsed
    pages = _pages(parsed.text, words, drawn.pages)
    return replace(parsed, pages=pages, words=tuple(words), rendition=rendition)


def tokens_of(text: str) -> list[Token]:
    """Return the words of a text, each with what it is compared by."""
    return [Token(found.start(), found.end(), _key(found[0])) for found in _TOKEN.finditer(text)]


def _key(word: str) -> str:
    """Return a word without what differs between a text and its print."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return _PLAIN.sub("", folded) or (folded if len(folded) > 1 else "")


def _anchored_words(text: str, drawn: ParsedDocument) -> list[Word]:
    ours = [token for token in tokens_of(text) if token.key]
    theirs = [
        (word, key) for word in drawn.words if (key := _key(drawn.text[word.start : word.end]))
    ]
    pairs = matched([token.key for token in ours], [key for _, key in theirs])
    found = []
    for here, there in pairs:
        token, word = ours[here], theirs[there][0]
        found.append(word._replace(start=token.start, end=token.end))
    return found


def matched(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs of places at which two sequences of words agree, each place at most once.

    Order may differ between the two, as text boxes and notes stand elsewhere on a page than in
    the file: what lies between anchors is compared in order, what is left is looked for anywhere.
    """
    pairs = dict(_in_order(ours, theirs))
    taken = set(pairs.values())
    _match_leftovers(ours, theirs, pairs, taken)
    return sorted(pairs.items())


def _in_order(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    last = (0, 0)
    for anchor in [*_anchors(ours, theirs), (len(ours), len(theirs))]:
        if anchor[0] < last[0] or anchor[1] < last[1]:
            continue
        pairs += _between(ours, theirs, last, anchor)
        same = _agreeing(ours, theirs, anchor)
        pairs += [(anchor[0] + step, anchor[1] + step) for step in range(same)]
        last = (anchor[0] + same, anchor[1] + same)
    return pairs


def _agreeing(ours: Sequence[str], theirs: Sequence[str], start: tuple[int, int]) -> int:
    """Return how many words from two places on are the same."""
    room = min(len(ours) - start[0], len(theirs) - start[1])
    step = 0
    while step < room and ours[start[0] + step] == theirs[start[1] + step]:
        step += 1
    return step


def _between(
    ours: Sequence[str], theirs: Sequence[str], start: tuple[int, int], end: tuple[int, int]
) -> list[tuple[int, int]]:
    mine, yours = ours[start[0] : end[0]], theirs[start[1] : end[1]]
    if not mine or not yours or max(len(mine), len(yours)) > LARGEST_GAP:
        return []
    blocks = SequenceMatcher(None, mine, yours, autojunk=False).get_matching_blocks()
    return [
        (start[0] + block.a + step, start[1] + block.b + step)
        for block in blocks
        for step in range(block.size)
    ]


def _anchors(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest run of places, in order in both, of words that stand once in each."""
    mine, yours = _unique(ours), _unique(theirs)
    candidates = sorted((place, yours[words]) for words, place in mine.items() if words in yours)
    return _longest_increasing(candidates)


def _unique(words: Sequence[str]) -> dict[tuple[str, ...], int]:
    shingles = list(zip(*(words[step:] for step in range(ANCHOR_WORDS)), strict=False))
    counts = Counter(shingles)
    return {shingle: place for place, shingle in enumerate(shingles) if counts[shingle] == 1}


def _longest_increasing(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    tails: list[int] = []
    tail_places: list[int] = []
    before: list[int] = []
    for place, (_, value) in enumerate(pairs):
        slot = bisect_left(tails, value)
        before.append(tail_places[slot - 1] if slot else -1)
        if slot == len(tails):
            tails.append(value)
            tail_places.append(place)
        else:
            tails[slot], tail_places[slot] = value, place
    chain = []
    place = tail_places[-1] if tail_places else -1
    while place >= 0:
        chain.append(pairs[place])
        place = before[place]
    return chain[::-1]


def _match_leftovers(
    ours: Sequence[str], theirs: Sequence[str], pairs: dict[int, int], taken: set[int]
) -> None:
    """Pair runs of words that stand in another order on the page; fills ``pairs`` in place."""
    free = _free_shingles(theirs, taken)
    here = 0
    while here <= len(ours) - ANCHOR_WORDS:
        if here in pairs:
            here += 1
            continue
        there = next(
            (at for at in free.get(tuple(ours[here : here + ANCHOR_WORDS]), ()) if at not in taken),
            None,
        )
        if there is None:
            here += 1
            continue
        while (
            here < len(ours)
            and there < len(theirs)
            and here not in pairs
            and there not in taken
            and ours[here] == theirs[there]
        ):
            pairs[here] = there
            taken.add(there)
            here, there = here + 1, there + 1


def _free_shingles(theirs: Sequence[str], taken: set[int]) -> dict[tuple[str, ...], list[int]]:
    free: dict[tuple[str, ...], list[int]] = {}
    for place in range(len(theirs) - ANCHOR_WORDS + 1):
        if place not in taken:
            free.setdefault(tuple(theirs[place : place + ANCHOR_WORDS]), []).append(place)
    return free


def _pages(text: str, words: Sequence[Word], drawn: Sequence[Page]) -> tuple[Page, ...]:
    """Return the drawn pages with the spans of the text that stand on them, in order."""
    starts = _page_starts(words, len(drawn))
    ends = [*starts[1:], len(text)]
    return tuple(
        Page(page.number, start, end, page.width, page.height)
        for page, start, end in zip(drawn, starts, ends, strict=True)
    )


def _page_starts(words: Sequence[Word], count: int) -> list[int]:
    """Return where in the text each page begins: at the first word from which most stand there.

    Words set in another order, such as a note, do not begin a page of their own.
    """
    starts = [0] * count
    current = 0
    for word, after in zip(words, [*words[1:], None], strict=True):
        steady = after is None or after.page == word.page
        if word.page > current and steady:
            for page in range(current + 1, word.page + 1):
                starts[page] = word.start
            current = word.page
    for page in range(current + 1, count):
        starts[page] = words[-1].end if words else 0
    return starts
