"""What is asked: the parts of a question, and what must be asked back before it can be told.

No model takes part. A question is split only where its parts could each be asked alone, and
something is asked back only where no document could settle what is meant.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from corpus.access import AuthorizedChunk
from rag.editions import edition_of, state_the_same_thing
from rag.evidence import Evidence
from rag.following import FEWEST_TERMS, points_back, stand_alone
from rag.wording import STOP_WORDS, WORD, numbers, numbers_in_words, terms, words

MOST_PARTS: Final = 4
EQUAL_STANDING: Final = 0.97
"""Part of the best sentence's score from which another document speaks as well to a question."""
MOST_CHOICES: Final = 4

ASKING: Final = "who whom whose what when where which why how whether".split()
ASKING_AFTER_COMMA: Final = "does do did is are can may must should will".split()
_NEXT_PART: Final = re.compile(
    rf"(?:\?\s+(?:and\s+|also,?\s+)?|,?\s+and\s+(?:also\s+)?(?=(?:{'|'.join(ASKING)})\b)"
    rf"|,\s+and\s+(?:also\s+)?(?=(?:{'|'.join(ASKING_AFTER_COMMA)})\b)|\?\s*\n+)",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(
    rf"\?\s*$|^\W*(?:{'|'.join([*ASKING, *ASKING_AFTER_COMMA])}|tell|show|list|explain)\b",
    re.IGNORECASE,
)
_POINTING: Final = frozenset(
    "it its they them their theirs this these those he him his she her hers".split()
)
_OFTEN_ANYBODY: Final = frozenset("they them their theirs".split())
_POINTING_LAST: Final = re.compile(r"\bthat\W*$", re.IGNORECASE)
_EMPTY_IT: Final = re.compile(
    r"\b(?:it|its)\b.*\b(?:to|that|if|whether|take|takes)\b", re.IGNORECASE
)
_PLAIN_AFTER: Final = frozenset(
    "year month week quarter day days time morning afternoon who whom which that".split()
)
"""After "this" or "those" these make something that needs no antecedent."""

WHICH: Final = "Documents of equal standing answer this differently. Which one do you mean?"
SAY_MORE: Final = "That is too short to search by. What do you want to know?"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is asked.

    Attributes:
        text: As asked.
        sought: The same, made to stand alone.
    """

    text: str
    sought: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is asked back.

    Attributes:
        asks: The question to the asker.
        choices: What may be meant; each may be sent as the reply.
    """

    asks: str
    choices: tuple[str, ...] = ()


def parts_of(question: str) -> list[Part]:
    """Return the parts of a question, in order; the whole where it has but one.

    "How long are files kept, and who may extend that?" has two. A part that could not be asked
    alone even after being read together with the first makes the question stay whole.
    """
    pieces = [piece.strip() for piece in _NEXT_PART.split(question) if piece.strip()]
    if not 1 < len(pieces) <= MOST_PARTS:
        return [Part(question, question)]
    parts: list[Part] = []
    for piece in pieces:
        sought = stand_alone(piece, [pieces[0]]) if parts else piece
        if len(terms(piece)) < FEWEST_TERMS or not _ASKS.search(piece):
            return [Part(question, question)]
        parts.append(Part(piece.rstrip(" ?.,"), sought))
    return parts


def doubt_before_search(question: str, earlier: Sequence[str]) -> Doubt | None:
    """Return what to ask back of a question that no search could settle.

    A bare word, or a pronoun that nothing before it explains.

    Args:
        question: As asked.
        earlier: The asker's questions before it; where one of them stands alone, that is what a
            pronoun means.
    """
    if any(not points_back(asked) for asked in earlier):
        return None
    said = words(question)
    if not said:
        return Doubt(SAY_MORE)
    if (pointing := _unexplained(question)) is not None:
        return Doubt(f"What does \u201c{pointing}\u201d stand for? Name the thing you mean.")
    if len(said) <= FEWEST_TERMS and len(terms(question)) < FEWEST_TERMS and not _opens(said):
        return Doubt(f"What do you want to know about \u201c{' '.join(said)}\u201d?")
    return None


def doubt_between_documents(
    question: str, evidence: Sequence[Evidence], chunks: Sequence[AuthorizedChunk]
) -> Doubt | None:
    """Return what to ask back where several documents speak as well to a question, otherwise.

    They state the same thing with other figures, none is an edition of another, and the question
    names none of them.
    """
    rivals = rivals_of(evidence, chunks)
    if len(rivals) < FEWEST_TERMS or _names_one(question, rivals, chunks):
        return None
    titles = dict.fromkeys(chunks[one.passage].found.title for one in rivals)
    if len(titles) < len(rivals):
        titles = dict.fromkeys(chunks[one.passage].found.path for one in rivals)
    return Doubt(WHICH, tuple(titles)[:MOST_CHOICES])


def rivals_of(evidence: Sequence[Evidence], chunks: Sequence[AuthorizedChunk]) -> list[Evidence]:
    """Return the best sentence and those of other documents that contradict it on equal standing.

    Returns:
        The best sentence of each such document, the best first; only the best where it has no
        rival, and none where there is no evidence.
    """
    if not evidence:
        return []
    best = evidence[0]
    rivals = [best]
    seen = {chunks[best.passage].found.document_id}
    for one in evidence[1:]:
        found = chunks[one.passage].found
        if one.score < EQUAL_STANDING * best.score or found.document_id in seen:
            continue
        own, other = _figures(best.text), _figures(one.text)
        if own and other and own != other and state_the_same_thing(best.text, one.text):
            if _series(chunks[best.passage]) == _series(chunks[one.passage]):
                continue
            seen.add(found.document_id)
            rivals.append(one)
    return rivals


def is_reply(text: str) -> bool:
    """Say whether a text answers what was asked back, rather than asking something of its own."""
    return points_back(text) or not _ASKS.search(text)


def _unexplained(question: str) -> str | None:
    """Return a pronoun that stands before anything it could mean."""
    if _POINTING_LAST.search(question) and len(terms(question)) < FEWEST_TERMS:
        return "that"
    if len(terms(question)) > FEWEST_TERMS:
        return None  # says enough else to be searched by
    found = [match.group() for match in WORD.finditer(question)]
    for place, word in enumerate(found):
        lowered = word.lower()
        if lowered in _POINTING and word != "IT":
            following = found[place + 1].lower() if place + 1 < len(found) else ""
            empty = lowered == "it" and _EMPTY_IT.search(question)
            anybody = lowered in _OFTEN_ANYBODY and len(terms(question)) >= FEWEST_TERMS
            return None if empty or anybody or following in _PLAIN_AFTER else word
        if lowered not in STOP_WORDS and not _is_verb_like(found, place):
            return None
    return None


def _is_verb_like(found: Sequence[str], place: int) -> bool:
    """Say whether a word opens a question of the form "Who approves it?" as its verb."""
    opens_with_asking = bool(found) and found[0].lower() in {"who", "what"}
    return opens_with_asking and place == 1


def _opens(said: Sequence[str]) -> bool:
    return said[0].lower() in {*ASKING, *ASKING_AFTER_COMMA}


def _names_one(
    question: str, rivals: Sequence[Evidence], chunks: Sequence[AuthorizedChunk]
) -> bool:
    """Say whether a question holds a word that tells one of the documents from the others."""
    titles = [terms(chunks[one.passage].found.title) for one in rivals]
    shared = set.intersection(*titles)
    return any(terms(question) & (title - shared) for title in titles)


def _series(chunk: AuthorizedChunk) -> str:
    return edition_of(chunk.found.title, chunk.found.path).series


def _figures(text: str) -> set[str]:
    return numbers(text) | numbers_in_words(text)
