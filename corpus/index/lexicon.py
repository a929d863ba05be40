"""Read text as the word index does: stems, pairs, names of documents, numbers of sections."""

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise
from typing import Final

import Stemmer

MAXIMUM_WORDS = 400
"""Words of a question or name that are read; nobody asks with more."""
MAXIMUM_LABELS = 12
MAXIMUM_REFERENCES = 24
SHORTEST_NUMBER = 4
LONGEST_JOINED = 4
"""Neighbouring words that are also tried as one: a file may be called AMERICANWATERWORKS."""
ORDINARY_NAME = 0.3
"""Of a question's word that is not written as a name is, beside 1 for one that is. "Policy" in a
title says little, "Boeing" in it says all; chosen on the development questions of the samples
and one half of FinanceBench."""
EARLIER_YEAR = 0.5
"""Of a year in a question that names a later one too."""

STOP_WORDS: Final = frozenset(
    """a about above across after again against all almost along already also although always am
    among an and another any anybody anyone anything anywhere are area around as ask at away back
    be became because become been before began behind being below between both but by came can
    cannot case certain clarify clearly come consider could describe detail details did do does
    doing done down during each either else enough ensure even ever every everybody everyone
    everything everywhere explain few find first for found four from full further gave general get
    give given gives go going got had has have having he her here herself high him himself his how
    however i if important in interest into is it its itself just keep kind knew know known large
    last later least less let like likely long made make making man many may me might more most
    mostly mr mrs much must my myself necessary need needed needs never new next no nobody non not
    nothing now of off often old on once one only onto open or order other others our out outline
    over own part per perhaps please point possible provide put quite rather really regarding
    right said same saw say says see seem seemed seems several shall she should show showed shown
    side since small so some somebody someone something somewhere specific still such sure take
    taken than that the their them then there therefore these they thing things think this those
    though through thus to today together too took toward towards two under until up upon us use
    used uses very want was way we well went were what when where whether which while who whom
    whose why will with within without would you your yours""".split()
)
"""Words that say nothing of what a text is about, those of questions among them. The long list
gained 0.5 points of Recall@10 on the ObliQA development questions over a list of thirty."""

_WORD = re.compile(
    r"\d+(?:[.\-/]\d+)*(?:\.?\([0-9a-z]{1,4}\))*|[^\W\d_]+(?:['\u2019][^\W\d_]+)*\d*|\w+"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_PART = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['\u2019]s\b", re.IGNORECASE)
_SENTENCE_ENDS = ".?!:;"
_PERIOD = re.compile(r"(?:fy|cy)?((?:19|20)\d\d)(q[1-4]|h[12])?|(?:fy|cy)(\d\d)")
_QUARTER = re.compile(r"(q[1-4]|h[12])((?:19|20)\d\d)|([1-4])q")
_KEYWORD = (
    r"(?:rules?|sections?|articles?|clauses?|paragraphs?|regulations?|chapters?|parts?|schedules?"
    r"|appendix|appendices|annex(?:es)?|guidance|\u00a7{1,2})"
)
_NUMBER = r"[A-Z]{0,3}\d+[A-Z]?(?:\.\d+[A-Z]?)*(?:\.?\([0-9a-zA-Z]{1,4}\))*"
_LABEL = re.compile(
    rf"^\W{{0,3}}(?:(?P<keyword>{_KEYWORD})\s+)?(?P<number>{_NUMBER})(?P<end>[.:)]?)(?=\s|$)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    rf"\b{_KEYWORD}\s+((?:{_NUMBER}(?:\s*(?:,|and|or|to|\u2013|-)\s*)?)+)", re.IGNORECASE
)
_EVERY_NUMBER = re.compile(_NUMBER)
_SEPARATORS = re.compile(r"[\s.()]+")
_stemmer = Stemmer.Stemmer("english")
_stemming = threading.Lock()
"""A stemmer keeps the word it is at work on, and so must not be used by two threads at once."""


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Return a lower-case word's stem (Snowball, English)."""
    with _stemming:
        return str(_stemmer.stemWord(word))


def words(text: str) -> Iterator[str]:
    """Yield the words that carry meaning, lower case; rule numbers stay whole."""
    for found in _WORD.finditer(text.lower()):
        word = found[0].replace("\u2019", "'").removesuffix("'s")
        if word[0].isdigit() or (len(word) > 1 and word not in STOP_WORDS):
            yield word


def stems(text: str) -> list[str]:
    """Return the terms of a text in their order, each as often as it stands there."""
    return [word if word[0].isdigit() else stem(word) for word in words(text)]


def pairs(terms: Iterable[str]) -> list[str]:
    """Return neighbouring terms as one term each."""
    return [f"{first} {second}" for first, second in pairwise(terms)]


def names_of_document(text: str) -> set[str]:
    """Return the terms that name a document, from its title and file name.

    Those of several words written as one begin with "+": they answer to a question's single
    word and to nothing else.
    """
    parts = [found[0].lower() for found in _parts(text)]
    single: set[str] = set()
    joined: set[str] = set()
    for _, size, terms in _pieces(parts):
        (single if size == 1 else joined).update(terms)
    return single | {f"+{name}" for name in joined - single}


def names_in_question(text: str) -> dict[str, float]:
    """Return the terms of a question that may name a document, and how surely each is a name.

    What is written as names are, with a capital inside a sentence or with digits, counts in
    full; any other word counts ``ORDINARY_NAME``: it may be in a title, but is common there. Of
    several years the last counts in full: a report on a year tells of those before it as well.
    """
    found = _parts(text)
    parts = [one[0].lower() for one in found]
    surely = [_surely(one) for one in found]
    names: dict[str, float] = {}
    for start, size, terms in _pieces(parts):
        sure = sum(surely[start : start + size]) / size
        for term in terms:
            for form in (term, f"+{term}") if size == 1 else (term,):
                names[form] = max(sure, names.get(form, 0.0))
    years = [name for name in names if _YEAR.fullmatch(name)]
    names.update(dict.fromkeys(set(years) - {max(years, default="")}, EARLIER_YEAR))
    return names


def _parts(text: str) -> list[re.Match[str]]:
    return list(islice(_PART.finditer(_POSSESSIVE.sub("", text)), MAXIMUM_WORDS))


def _surely(found: re.Match[str]) -> float:
    word = found[0]
    if any(map(str.isdigit, word)) or any(map(str.isupper, word[1:])):
        return 1.0
    before = found.string[: found.start()].rstrip()
    begins = not before or before[-1] in _SENTENCE_ENDS
    return 1.0 if word[0].isupper() and not begins else ORDINARY_NAME


def _pieces(parts: Sequence[str]) -> Iterator[tuple[int, int, set[str]]]:
    """Yield where every word begins, and every run of some words, with the terms it gives."""
    for start, part in enumerate(parts):
        yield start, 1, _periods(part) or _name(part)
    for size in range(2, LONGEST_JOINED + 1):
        for start in range(len(parts) - size + 1):
            some = parts[start : start + size]
            name = "".join(some)
            if len(name) > 2 and not {some[0], some[-1]} & STOP_WORDS:
                yield start, size, _name(name)


def _name(word: str) -> set[str]:
    # A short number names nothing: it is a part of a date, or of a rule's number.
    if word in STOP_WORDS or len(word) < (SHORTEST_NUMBER if word.isdigit() else 2):
        return set()
    return {word if any(map(str.isdigit, word)) else stem(word)}


def _periods(word: str) -> set[str]:
    """Return a year and quarter in one form: fy2022, FY22 and 2022; 2023q2, q22023 and 2q."""
    if found := _PERIOD.fullmatch(word):
        year = found[1] or f"20{found[3]}"
        return {year, found[2]} if found[2] else {year}
    if found := _QUARTER.fullmatch(word):
        return {found[1], found[2]} if found[1] else {f"q{found[3]}"}
    return set()


def labels(heading: str, text: str) -> tuple[str, ...]:
    """Return the numbers of the sections that a chunk is or begins, in one form.

    Args:
        heading: The innermost heading above it.
        text: Its own text.
    """
    found = []
    for line in (heading, *text.splitlines()):
        match = _LABEL.match(line)
        if match and _is_label(match, line):
            found.append(canonical_number(match["number"]))
    return tuple(dict.fromkeys(found))[:MAXIMUM_LABELS]


def _is_label(match: re.Match[str], line: str) -> bool:
    """Tell a section's number from a figure: "4.12.7 Risk", "12. Term", not "2022 was"."""
    number = match["number"]
    alone = match.end() == len(line.rstrip())
    return bool(match["keyword"] or match["end"] or "." in number or "(" in number or alone)


def references(text: str) -> tuple[str, ...]:
    """Return the numbers of the sections that a text refers to, in one form."""
    found = [
        canonical_number(number)
        for match in _REFERENCE.finditer(text)
        for number in _EVERY_NUMBER.findall(match[1])
    ]
    return tuple(dict.fromkeys(found))[:MAXIMUM_REFERENCES]


def without_references(text: str) -> str:
    """Return a text without the sections that it refers to: "as Rule 4.2 says" is "as says"."""
    return " ".join(_REFERENCE.sub(" ", text).split())


def canonical_number(number: str) -> str:
    """Return a section's number in one form: "4.12.7(2)" and "4.12.7.(2)" are the same."""
    return _SEPARATORS.sub(".", number.lower()).strip(".")


def sections_around(numbers: Iterable[str], *, widest: int = 1) -> frozenset[str]:
    """Return some sections and those around them: 4.12.7 stands in 4.12, which stands in 4.

    Args:
        numbers: In their one form.
        widest: The fewest parts that the number of a section around them has; they themselves
            are returned whatever they have.
    """
    found = set()
    for number in numbers:
        parts = number.split(".")
        found.add(number)
        found.update(".".join(parts[:size]) for size in range(widest, len(parts)))
    return frozenset(found)
