"""What a question wants of its answer: the names it is about, and the kind of thing it asks for."""

import re
from typing import Final

from rag.wording import MONTHS, names, numbers, numbers_in_words

_AMOUNT: Final = re.compile(
    r"\bhow (?:many|much|old|far|big|large|high|fast|quickly)\b"
    r"|\bwhat (?:percentage|proportion|share|rate|limit|fee|amount|price|number)\b"
    r"|\b(?:cost|costs|price)\b",
    re.IGNORECASE,
)
_TIME: Final = re.compile(
    r"^\W*(?:by )?when\b|\bhow (?:long|soon|often)\b|\bdeadline\b"
    r"|\b(?:what|which) (?:date|days?|year|time|month)\b",
    re.IGNORECASE,
)
_PERSON: Final = re.compile(r"^\W*(?:who|whom|whose)\b", re.IGNORECASE)
_TELLS_TIME: Final = re.compile(
    r"\d[:.]\d\d|\b(?:19|20)\d\d\b|\b(?:hour|minute|day|week|fortnight|month|quarter|year)s?\b"
    r"|\b(?:daily|weekly|monthly|quarterly|annual(?:ly)?|yearly|once|twice|every|each|always|never"
    rf"|noon|midnight|morning|night|{'|'.join(MONTHS)}"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
    re.IGNORECASE,
)
_NAMES_A_PERSON: Final = re.compile(
    r"\b(?:director|manager|officer|partner|team|head|board|committee|adviser|secretary|staff"
    r"|department|employee|client|chair)s?\b",
    re.IGNORECASE,
)
_NOTHING: Final = re.compile(r"\b(?:no|none|free|nothing|unlimited)\b|[%\u00a3$\u20ac]", re.I)


def about(question: str) -> set[str]:
    """Return the names and numbers that a question holds, as terms; what answers it is about them.

    "What did the Growth strategy return in 2023?" is about "growth" and "2023".
    """
    return names(question) | numbers(question)


def fits(question: str, sentence: str) -> int:
    """Say whether a sentence holds the kind of thing that is asked for.

    Returns:
        1 where it does, -1 where it does not, 0 where the question asks for no such kind.
    """
    if _TIME.search(question):
        return 1 if _TELLS_TIME.search(sentence) or _holds_a_number(sentence) else -1
    if _AMOUNT.search(question):
        return 1 if _holds_a_number(sentence) or _NOTHING.search(sentence) else -1
    if _PERSON.search(question):
        return 1 if names(sentence) or _NAMES_A_PERSON.search(sentence) else -1
    return 0


def _holds_a_number(sentence: str) -> bool:
    return bool(numbers(sentence) or numbers_in_words(sentence))
