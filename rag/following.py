"""Follow-up questions, made to stand alone.

A question such as "And after that?" finds nothing by itself. It is read together with the
latest question of the conversation that stands alone. Only the asker's own words are carried
over, never an answer or a passage: what somebody may no longer read cannot come back this way.
"""

import re
from collections.abc import Sequence
from typing import Final

from rag.wording import WORD, terms

POINTING_BACK: Final = frozenset(
    "it its itself they them their theirs he him his she her hers this that these those there "
    "then one ones same such latter former".split()
)
"""Words that mean something said before. "That" and "there" often do not: what follows decides."""

OPENINGS: Final = re.compile(
    r"^\W*(?:and|but|or|so|also|then|what about|how about|what if|why|why not|really|who else|"
    r"anything else|what else|for how long|since when|until when)\b",
    re.IGNORECASE,
)
FILLER: Final = re.compile(
    r"\b(?:is|are|was|were|does|do|did|will|has|have) there\b"
    r"|\bthere (?:is|are|was|were|be|must|may|can)\b"
    r"|\b(?:so|now|such) that\b|\b(?:the|a|an|any|each|every|all) \w+ that\b"
    r"|\b(?:no|each|any|every|which|either|neither|only|at least|more than) one\b|\bone of\b",
    re.IGNORECASE,
)
FEWEST_TERMS: Final = 2
"""A question with fewer terms of its own says too little to search by."""


def stand_alone(question: str, earlier: Sequence[str]) -> str:
    """Return a question as it is searched for, given those asked before it in order.

    Returns:
        The question itself where it stands alone, or where nothing before it does.
    """
    if not points_back(question):
        return question
    anchor = next((asked for asked in reversed(earlier) if not points_back(asked)), "")
    if not anchor:
        return question
    return f"{anchor.rstrip(' ?.!')}: {question.strip()}"


def points_back(question: str) -> bool:
    """Say whether a question is about something that it does not name."""
    if OPENINGS.search(question) or len(terms(question)) < FEWEST_TERMS:
        return True
    plain = FILLER.sub(" ", question)
    return any(match.group().lower() in POINTING_BACK for match in WORD.finditer(plain))
