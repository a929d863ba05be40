"""Read English as far as checking a claim needs it: sentences, terms, numbers, names, negation."""

import re
from dataclasses import dataclass
from functools import lru_cache

from corpus.documents import CELL_JOINT
from corpus.index import lexicon

WORD = re.compile(r"[^\W_]+(?:['\u2019.,/&-][^\W_]+)*")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
SENTENCE_END = re.compile(
    r"[.!?][\"'\u201d\u2019)\]]*(?=\s+[\"'\u201c\u2018(\[]?[A-Z0-9\u00a3\u20ac$])|\n+"
)
ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Ltd|Inc|plc|No|no|e\.g|i\.e|etc|vs|approx|para|cl|ss?|pp?)|\b[A-Z])\.$"
)

STOP_WORDS = frozenset(
    """a about above after again all also am an and any are as at be because been before being
    below between both but by can could did do does doing down during each else ever few for
    from further get give given gives go got had has have having he her here hers him his how
    i if in into is it its itself just know let like long made make many may me might more
    most much must my need of off on once one only or other our out over own please same shall
    she should show so some such take tell than that the their them then there these they this
    those through to too under until up us use used very want was we were what when where
    which while who whom whose why will with would you your""".split()
)
NEGATIONS = frozenset(
    """not no never none neither nor cannot without except unless nobody nothing isn't aren't wasn't
    weren't don't doesn't didn't won't can't couldn't shouldn't mustn't hasn't haven't prohibited
    forbidden excluded""".split()
)
POINTING = frozenset("it its they their them this these those he she his her such".split())
LIMITS = frozenset(
    """only all every each both any always sole solely exclusively entire same entirely
    hourly daily nightly weekly fortnightly monthly quarterly yearly annually""".split()
)
"""Words that a claim may not add: with them it says more, or other, than without."""
OBLIGATIONS = frozenset("must shall required requires mandatory obliged".split())
PERMISSIONS = frozenset("may can could might permitted allowed optional".split())
NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
        fifteen sixteen seventeen eighteen nineteen twenty""".split()
    )
} | {
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70",
    "eighty": "80", "ninety": "90", "hundred": "100", "thousand": "1000",
    "half": "0.5", "twice": "2", "once": "1", "first": "1", "second": "2", "third": "3",
}  # fmt: skip
"""Numbers in words, as they must be found again in digits or words."""
FINITE = frozenset(
    """is are was were has have had must shall should will would may can could might does do
    did""".split()
)
"""Verbs that show a clause to be one; before them stands whom or what it is about."""
CLAUSE_BREAK = re.compile(r"\s*;\s+(?:and\s+|but\s+)?|,?\s+(?:and|but|while|whereas)\s+")
BINDING = frozenset(
    """if unless when whenever where until till after before because since except provided
    otherwise so therefore thus which who whom whose that either neither nor or
    respectively""".split()
)
"""A sentence with one of these may mean more, or less, than its clauses one by one."""
MONTHS = (
    "january february march april may june july august september october november december"
).split()


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text: offsets of its first character and after its last."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """Return the text it covers."""
        return text[self.start : self.end]


def sentences(text: str) -> list[Span]:
    """Return the sentences of a text, in order; a line break always ends one."""
    spans: list[Span] = []
    start = 0
    for match in SENTENCE_END.finditer(text):
        if match.group()[0] == "." and ABBREVIATION.search(text[start : match.start() + 1]):
            continue
        _append_trimmed(spans, text, start, match.end())
        start = match.end()
    _append_trimmed(spans, text, start, len(text))
    return spans


def _append_trimmed(spans: list[Span], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        spans.append(Span(start, end))


def words(text: str) -> list[str]:
    """Return the words of a text as they stand, without surrounding punctuation."""
    return WORD.findall(text)


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return a word's stem (Snowball, English), lower case."""
    lowered = word.lower().replace("\u2019", "'").removesuffix("'s")
    return lexicon.stem(lowered)


def terms(text: str) -> set[str]:
    """Return the stems of the words that carry meaning; numbers in their normal form."""
    return set(ordered_terms(text))


def ordered_terms(text: str) -> list[str]:
    """Return the terms of a text in its order, as often as they stand there."""
    found: list[str] = []
    for word in words(text):
        lowered = word.lower()
        if NUMBER.search(word):
            found += [_normal_number(match) for match in NUMBER.findall(word)]
        elif lowered not in STOP_WORDS and len(lowered) > 1:
            found += [stem(part) for part in re.split(r"[/&-]", word) if part]
    return found


def numbers(text: str) -> set[str]:
    """Return the numbers of a text in one form: 1,200.00 and 1200 are the same."""
    return {_normal_number(match) for match in NUMBER.findall(text)}


def numbers_in_words(text: str) -> set[str]:
    """Return the numbers that are written in words, in digits."""
    return {NUMBER_WORDS[word.lower()] for word in words(text) if word.lower() in NUMBER_WORDS}


def _normal_number(digits: str) -> str:
    plain = digits.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", digits) else digits
    if re.fullmatch(r"\d+\.0+", plain):
        plain = plain.split(".")[0]
    return plain.lstrip("0") or "0"


def is_row(text: str) -> bool:
    """Say whether a line is a row of a table, to which the names of its columns belong."""
    return CELL_JOINT in text


def names(text: str) -> set[str]:
    """Return stems of capitalised words that do not merely open a sentence."""
    found: set[str] = set()
    for span in sentences(text):
        for word in words(span.of(text))[1:]:
            if word[0].isupper() and word.lower() not in STOP_WORDS:
                found.update(stem(part) for part in re.split(r"[/&-]", word) if part)
    return found


def is_negated(text: str) -> bool:
    """Say whether a text denies, forbids or excepts something."""
    return any(_plain(word) in NEGATIONS for word in words(text))


def limits(text: str) -> set[str]:
    """Return the words of a text that say how far, how often or for whom alone it holds."""
    return {_plain(word) for word in words(text)} & LIMITS


def clauses(sentence: str) -> list[str]:
    """Return the clauses of a sentence that each mean by themselves what they mean in it.

    None where one of them lacks what it is about, points at another or hangs on one.
    """
    if {_plain(word) for word in words(sentence)} & BINDING:
        return []
    found, start = [], 0
    for match in CLAUSE_BREAK.finditer(sentence):
        if _stands_alone(sentence[start : match.start()]):
            found.append(sentence[start : match.start()])
            start = match.end()
    found.append(sentence[start:])
    if len(found) == 1 or not all(_stands_alone(clause) for clause in found):
        return []
    return found


def _stands_alone(clause: str) -> bool:
    spoken = words(clause)
    verb = next((at for at, word in enumerate(spoken) if word.lower() in FINITE), None)
    if verb is None or opens_with_pronoun(clause):
        return False
    return bool(terms(" ".join(spoken[:verb]))) and bool(terms(" ".join(spoken[verb + 1 :])))


def opens_with_pronoun(text: str) -> bool:
    """Say whether a sentence begins by pointing at the one before it."""
    first = next(iter(words(text)), "")
    return first.lower() in POINTING


def modality(text: str) -> str:
    """Return "obliged", "permitted", or "" where a text is neither or both."""
    found = {_plain(word) for word in words(text)}
    obliged, permitted = bool(found & OBLIGATIONS), bool(found & PERMISSIONS)
    if obliged == permitted:
        return ""
    return "obliged" if obliged else "permitted"


def _plain(word: str) -> str:
    return word.lower().replace("\u2019", "'")
