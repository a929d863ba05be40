"""Follow-up questions in the words of a model, where it is fit for that and changes nothing.

`rag.following` reads a follow-up together with the question it needs, "A: B". A model that the
probe found fit says that as one question. What it says is kept only where code can see that it
asks the same: it uses the asker's own words, all that carry meaning in the follow-up, and adds
neither a name nor a figure. Otherwise the two questions are read side by side as before.
"""

from collections.abc import Callable
from typing import Final

from rag.errors import ModelBusy, ModelUnavailable
from rag.following import points_back, stand_alone
from rag.generation import Message, ModelServer
from rag.profiles import FIT_SHARE, Finding
from rag.wording import is_negated, limits, modality, numbers_in_words, terms, words

REPLY_TOKENS: Final = 64
SILENCE_SECONDS: Final = 5.0
"""A model that is slower than this to begin is not waited for."""
LONGER_AT_MOST: Final = 30
"""Characters by which the one question may be longer than both."""
KEPT: Final = frozenset(
    "who whom whose what when where which why how before after above below under over until "
    "during within between first last next most least".split()
)
"""Words that carry little meaning and turn a question all the same: they stay."""

SYSTEM: Final = (
    "You are given a question and a follow-up question. Say the follow-up as one question that "
    "is understood without the first. Use only words of the two questions. Reply with the "
    "question alone."
)

TRIED: Final = (
    ("How long are visitor records kept?", "And who may destroy them?"),
    ("When must a data breach be reported?", "Who reports it?"),
    ("What does the travel policy say about hotel costs?", "And about taxis?"),
    ("How many days of parental leave are there?", "When must it be requested?"),
    ("Who approves a contract above fifty thousand pounds?", "And below that?"),
    ("Which passwords are allowed?", "How often must they be changed?"),
    ("What is the notice period for a manager?", "And for a trainee?"),
    ("How are complaints recorded?", "How long does that take?"),
    ("When are expense claims paid?", "And if they are late?"),
    ("Who may enter the server room?", "Who keeps a list of them?"),
    ("How is confidential paper destroyed?", "Who checks that?"),
    ("What must a supplier sign before starting?", "And who keeps it?"),
)
"""Follow-ups of which any model that is fit says the whole question in its own words."""


class Rewriter:
    """Says follow-ups as one question.

    Args:
        model: Words them.
        is_fit: Whether its profile says that it may, now.
    """

    def __init__(self, model: ModelServer, is_fit: Callable[[], bool]) -> None:
        self._model = model
        self._is_fit = is_fit

    def reword(self, question: str, read_together: str, *, reader: str) -> str:
        """Return a follow-up as one question; as it was read together where that fails.

        Args:
            question: As asked.
            read_together: The same with the question it needs before it.
            reader: Who asks.
        """
        if not self._is_fit():
            return read_together
        try:
            said = reworded(self._model, question, read_together, reader=reader)
        except (ModelUnavailable, ModelBusy):
            return read_together
        return said if asks_the_same(said, question, read_together) else read_together


def reworded(model: ModelServer, question: str, read_together: str, *, reader: str = "") -> str:
    """Return what a model makes of a follow-up, unchecked.

    Raises:
        ModelUnavailable: The server is away.
        ModelBusy: It has no seat free.
    """
    before = read_together.removesuffix(question.strip()).rstrip(" :")
    said = f"Question: {before}?\nFollow-up question: {question.strip()}\nOne question:"
    messages = [Message(role="system", content=SYSTEM), Message(role="user", content=said)]
    reply = model.complete(
        messages,
        maximum_tokens=REPLY_TOKENS,
        stop=["\n"],
        seconds=SILENCE_SECONDS,
        reader=reader,
    )
    return "".join(reply).strip().strip('"\u201c\u201d')


def asks_the_same(said: str, question: str, read_together: str) -> bool:
    """Say whether one question asks what a follow-up asks, as far as words can tell.

    Args:
        said: The one question.
        question: The follow-up.
        read_together: It with the question it needs before it.
    """
    own, all_of_them, kept = terms(question), terms(read_together), terms(said)
    return (
        said.endswith("?")
        and "\n" not in said
        and len(said) <= len(read_together) + LONGER_AT_MOST
        and own < kept <= all_of_them
        and numbers_in_words(said) <= numbers_in_words(read_together)
        and _turning(question) <= _turning(said) <= _turning(read_together)
        and limits(question) <= limits(said) <= limits(read_together)
        and is_negated(said) == is_negated(question)
        and modality(said) in {modality(question), modality(read_together)}
        and not points_back(said)
    )


def probe_rewording(model: ModelServer) -> Finding:
    """Return how often a model says a follow-up as one question that asks the same.

    Raises:
        ModelUnavailable: It went away.
    """
    kept = 0
    for before, question in TRIED:
        together = stand_alone(question, [before])
        kept += asks_the_same(reworded(model, question, together), question, together)
    return Finding(
        "reword",
        kept / len(TRIED),
        FIT_SHARE,
        len(TRIED),
        "follow-ups said as one question that asks the same",
    )


def _turning(text: str) -> set[str]:
    return {word.lower() for word in words(text)} & KEPT
