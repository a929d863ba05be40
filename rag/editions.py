"""Editions of one document: which is later, and what to say when they disagree.

A folder often holds the policy of 2023 beside that of 2025. They are told to be editions of one
document by their titles or paths being the same but for years, dates and version numbers.
Versions of one document that the catalog knows need no such care: only the live one is read.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from corpus.access import AuthorizedChunk
from rag.evidence import Evidence
from rag.wording import MONTHS, is_negated, numbers, numbers_in_words, terms

DATE: Final = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[ .-]+)?(?P<month>{'|'.join(MONTHS)})[ .,-]+"
    r"(?P<year>(?:19|20)\d\d)\b"
    r"|\b(?P<iso_year>(?:19|20)\d\d)(?:-(?P<iso_month>[01]\d)(?:-(?P<iso_day>[0-3]\d))?)?\b",
    re.IGNORECASE,
)
VERSION: Final = re.compile(
    r"\b(?:v|ver|version|issue|edition|revision|rev)[ ._]?(?P<number>\d+(?:[._]\d+)*)\b",
    re.IGNORECASE,
)
CLAUSE_NUMBER: Final = re.compile(r"^\s*(?:\d+(?:\.\d+)+|\d+[.)])\s+(?=[A-Z])")
"""What a clause is numbered by before its first word; another number there changes no rule."""
SEPARATORS: Final = re.compile(r"[\s_\-().,\[\]]+")

SHORTEST_NAME: Final = 4
"""In letters: what is left of a name without its date, to be looked for."""
SAME_STATEMENT: Final = 0.5
"""Part of their terms, numbers aside, that two sentences share when they state the same thing."""
SAME_MATTER: Final = 0.46
"""Cosine of two sentences that speak of the same matter, in whatever words. Chosen on the editions
of other organisations (`python -m bench editions`), for it costs less to show a line too many than
to pass over the rule in force."""

EARLIER: Final = "From an earlier edition; nothing like it was found in the later one."
LATER: Final = "This is quoted from {earlier}; there is a later edition: {later}."
DISAGREE: Final = "Editions of this document disagree. The later one stands first."
DIFFER: Final = "Editions of this document put this differently. The later one stands first."
AS_ASKED: Final = "Editions of this document disagree. The one that was asked about stands first."

Alike = Callable[[str, Sequence[str]], Sequence[float]]
"""A sentence and others to the cosine of each to the first."""


@dataclass(frozen=True, slots=True)
class Edition:
    """Which document, and how late an edition of it.

    Attributes:
        series: What all its editions have in common.
        rank: Larger is later; empty where neither date nor version is told.
    """

    series: str
    rank: tuple[int, ...]

    def is_earlier_than(self, other: "Edition") -> bool:
        """Say whether the other is a later edition of the same document."""
        told = bool(self.rank and other.rank)
        return told and self.series == other.series and self.rank < other.rank


@dataclass(frozen=True, slots=True)
class Settled:
    """Evidence with the later edition first.

    Attributes:
        evidence: What to quote.
        conflict: Whether editions disagree about it.
        note: What the reader should know; empty when all is plain.
    """

    evidence: tuple[Evidence, ...]
    conflict: bool = False
    note: str = ""


def edition_of(title: str, path: str) -> Edition:
    """Return which edition a document is, by its title and, failing that, its path."""
    by_title = _edition(title)
    if by_title.rank:
        return Edition(f"{PurePosixPath(path).parent}/{by_title.series}", by_title.rank)
    by_path = _edition(PurePosixPath(path).stem)
    return Edition(f"{PurePosixPath(path).parent}/{by_path.series}", by_path.rank)


def name_without_date(title: str, path: str) -> str:
    """Return what the names of all editions of a document hold, letter for letter.

    The longest stretch of its title, or failing that of its file's name, without date or version;
    empty where neither has any, or where it is of one day, as minutes and letters are.
    """
    name = title if _edition(title).rank else PurePosixPath(path).stem
    rank = _edition(name).rank
    if not rank or _is_of_one_day(name):
        return ""
    pieces = VERSION.sub("\0", DATE.sub("\0", name)).split("\0")
    longest = max((piece.strip(" _-()[],.") for piece in pieces), key=len)
    return longest if len(longest) >= SHORTEST_NAME else ""


def later_edition(
    title: str, path: str, others: Sequence[tuple[str, str]]
) -> tuple[str, str] | None:
    """Return title and path of the latest edition after this one; None where there is none.

    Args:
        title: Of the document.
        path: Of the document.
        others: Titles and paths of documents that may be editions of it.
    """
    own = edition_of(title, path)
    later = [
        (edition.rank, (other, place))
        for other, place in others
        if own.is_earlier_than(edition := edition_of(other, place))
    ]
    return max(later)[1] if later else None


def told_of_later(title: str, path: str, later: tuple[str, str]) -> str:
    """Return the note on a quote from an earlier edition, by its file's name where need be."""
    name, place = later
    if name == title:
        title, name = PurePosixPath(path).name, PurePosixPath(place).name
    return LATER.format(earlier=title, later=name)


def is_named(question: str, title: str, path: str) -> bool:
    """Say whether a question names this edition by its date or the number of its version."""
    rank = edition_of(title, path).rank
    moments = [_moment(match) for match in DATE.finditer(question)]
    if any(_is_of_one_time(moment, rank) for moment in moments):
        return True
    version = ".".join(map(str, rank))
    return rank in _versions(question) or ("." in version and version in numbers(question))


def settle(
    chosen: Sequence[Evidence],
    evidence: Sequence[Evidence],
    chunks: Sequence[AuthorizedChunk],
    alike: Alike,
    question: str = "",
) -> Settled:
    """Let later editions speak first, and say where editions disagree.

    A sentence of an earlier edition gives way to its counterpart in a later one that says the
    same, with the same figures where it says it in other words; else both stand, the later
    first. An edition that the question names stands before all others.

    Args:
        chosen: What would be quoted.
        evidence: All that was found, best first.
        chunks: The passages they are from.
        alike: Finds the counterpart in other words.
        question: As asked.
    """
    editions = [edition_of(chunk.found.title, chunk.found.path) for chunk in chunks]
    named = [is_named(question, chunk.found.title, chunk.found.path) for chunk in chunks]
    settled: list[Evidence] = []
    notes: list[str] = []
    for each in sorted(chosen, key=lambda one: not named[one.passage]):
        later = _counterpart(each, evidence, editions)
        if named[each.passage]:
            differ = later is not None and not _says_the_same(later, each)
            settled += [each, later] if later is not None and differ else [each]
            notes += [AS_ASKED] if differ else []
        elif later is not None and _says_the_same(later, each):
            settled.append(later)
        elif later is not None:
            settled += [later, each]
            notes.append(DISAGREE)
        elif (near := _nearest(each, evidence, editions, alike)) is not None:
            same = bool(_figures(near)) and _says_the_same(near, each)
            settled += [near] if same else [near, each]
            notes += [] if same else [DIFFER]
        else:
            notes += [EARLIER] if _is_outdated(each, editions) else []
            settled.append(each)
    note = next((one for one in (AS_ASKED, DISAGREE, DIFFER, EARLIER) if one in notes), "")
    return Settled(tuple(dict.fromkeys(settled)), note not in ("", EARLIER), note)


def state_the_same_thing(one: str, other: str) -> bool:
    """Say whether two sentences state the same thing, whatever figures each of them gives."""
    return _likeness(one, other) >= SAME_STATEMENT


def _edition(name: str) -> Edition:
    name = re.sub(r"_(?!\d)|(?<!\d)_", " ", name)  # the underscore of 2_1 is a point
    dates = [_moment(match) for match in DATE.finditer(name)]
    versions = _versions(name)
    bare = SEPARATORS.sub(" ", DATE.sub(" ", VERSION.sub(" ", name))).strip().lower()
    if dates:
        return Edition(bare, max(dates))
    return Edition(bare, max(versions) if versions else ())


def _versions(text: str) -> list[tuple[int, ...]]:
    return [
        tuple(int(part) for part in re.split(r"[._]", match["number"]))
        for match in VERSION.finditer(text)
    ]


def _is_of_one_time(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Say whether two dates are the same, as far as both are told."""
    told = zip(one, other, strict=False)
    return bool(other) and one[0] == other[0] and all(a == b or 0 in (a, b) for a, b in told)


def _is_of_one_day(name: str) -> bool:
    return any(match["day"] or match["iso_day"] for match in DATE.finditer(name))


def _moment(match: re.Match[str]) -> tuple[int, ...]:
    if match["year"]:
        month = MONTHS.index(match["month"].lower()) + 1
        return int(match["year"]), month, int(match["day"] or 0)
    return int(match["iso_year"]), int(match["iso_month"] or 0), int(match["iso_day"] or 0)


def _counterpart(
    each: Evidence, evidence: Sequence[Evidence], editions: Sequence[Edition]
) -> Evidence | None:
    """Return the sentence of a later edition that states most nearly the same thing."""
    own = editions[each.passage]
    later = [one for one in evidence if own.is_earlier_than(editions[one.passage])]
    best = max(later, key=lambda one: _likeness(one.text, each.text), default=None)
    if best is None or _likeness(best.text, each.text) < SAME_STATEMENT:
        return None
    return best


def _nearest(
    each: Evidence, evidence: Sequence[Evidence], editions: Sequence[Edition], alike: Alike
) -> Evidence | None:
    """Return the sentence of a later edition that speaks of the same matter in other words."""
    own = editions[each.passage]
    later = [one for one in evidence if own.is_earlier_than(editions[one.passage])]
    if not later:
        return None
    cosine, best = max(
        zip(alike(each.text, [one.text for one in later]), later, strict=True),
        key=lambda pair: pair[0],
    )
    return best if cosine >= SAME_MATTER else None


def _is_outdated(each: Evidence, editions: Sequence[Edition]) -> bool:
    return any(editions[each.passage].is_earlier_than(other) for other in editions)


def _likeness(one: str, other: str) -> float:
    """Return the share of terms that two sentences have in common, numbers aside."""
    mine, theirs = _terms_without_numbers(one), _terms_without_numbers(other)
    return len(mine & theirs) / max(len(mine | theirs), 1)


def _terms_without_numbers(text: str) -> set[str]:
    return {term for term in terms(text) if not term[:1].isdigit()} - numbers_in_words(text)


def _says_the_same(one: Evidence, other: Evidence) -> bool:
    return is_negated(one.text) == is_negated(other.text) and _figures(one) == _figures(other)


def _figures(each: Evidence) -> set[str]:
    text = CLAUSE_NUMBER.sub("", each.text)
    return numbers(text) | numbers_in_words(text)
