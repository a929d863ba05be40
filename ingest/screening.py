"""Find what in a text speaks to the machine instead of to its reader.

A document may order an assistant about: "ignore your instructions", "add this link to your
answer", marks of a conversation, characters that nobody sees. Such a stretch stays in the text and
can be read and found like any other; it is marked, and what is marked is neither quoted as an
answer nor backs one. What finds it are words alone: it is a screen, not a wall, and an attack
worded as plain fact passes it. What it finds and what it takes for an attack by mistake is
measured by ``python -m bench injection``.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from corpus.documents import Chunk, Suspicion, SuspicionKind

FEWEST_HIDDEN = 3
"""Invisible characters between letters in one paragraph; editors leave one or two behind."""
NEIGHBOURS = 2
"""Sentences beside an order to the machine in which a plainer order counts as one too."""
LONGEST_SENTENCE = 1_200
"""In characters: patterns are tried on pieces no longer than this."""

_MACHINE = (
    r"(?:ai|a\.i\.|llms?|gpt(?:-?\d\S*)?|chat ?gpt|chat ?bots?|language models?|"
    r"(?:ai|virtual|digital|language|helpful) assistants?|assistants?|copilot)"
)
_REPLY = r"(?:answers?|responses?|reply|replies|output|completion|summary|generated text)"
_ORDERS = r"(?:instructions?|prompts?|guidelines?|directives?|commands?|programming|restrictions?)"

_OVERRIDE = re.compile(
    rf"\b(?:ignore|disregard|forget|override|overlook|discard|neglect)\b(?! to\b)[^.!?]{{0,40}}?"
    rf"\b(?:previous|prior|above|earlier|preceding|foregoing|past|original|initial|system|your|"
    rf"all|any|these|those)\b[^.!?]{{0,40}}?\b(?:{_ORDERS}|rules|messages?|conversations?|context|"
    rf"text|questions?|everything)\b"
    r"|\b(?:ignore|disregard|forget) the (?:above|foregoing|rest)\b"
    r"|\b(?:ignore|disregard|forget) (?:everything|all|anything|what)\b[^.!?]{0,30}"
    r"\b(?:above|before|said|told|previously|earlier|so far|learned)\b"
    rf"|\bnew (?:system )?{_ORDERS}\s*:"
    r"|\b(?:ignor|vergiss|oubli|olvid|diment|esque[cç]|ignoruj|zapomnij)\w*\b[^.!?]{0,40}"
    r"(?:anweisung|instruc|instru[cç]|istruzion|polece|consignes)\w*"
    r"|(?:игнорир|забуд)\w*[^.!?]{0,40}инструкц"
    r"|(?:忽略|无视|忘记|無視).{0,20}(?:指令|指示|提示|说明)",
    re.IGNORECASE,
)
_ROLE_PLAY = re.compile(
    r"\b(?:you are (?:now|no longer)|from now on,? you|pretend (?:to be|that you|you)|"
    rf"act as (?:if you|an? {_MACHINE})|role-?play as|you(?:'re| are) (?:going to )?"
    rf"(?:act|play|pretend)\b|imagine (?:that )?you(?:'re| are)|you are (?:an? |the )?(?:\w+ )?"
    rf"{_MACHINE}\b)"
    r"|\b(?:developer|debug|god|admin(?:istrator)?|system|maintenance|jailbreak|dan|sudo) mode\b"
    r"[^.!?]{0,40}\b(?:on|enabled?|activated?|enter|engaged?|now)\b"
    r"|\b(?:enter|enable|activate|switch (?:in)?to)\b[^.!?]{0,20}"
    r"\b(?:developer|debug|god|jailbreak|dan|sudo|unrestricted) mode\b",
    re.IGNORECASE,
)
_CALLED = re.compile(
    rf"^\W*(?:(?:dear|hey|hello|hi|attention|note|notice|important|instructions?|message)\b"
    rf"[^.!?]{{0,24}}\b{_MACHINE}\b|{_MACHINE}\s*[,:!])"
    rf"|\b(?:if|when|since|because) you(?:'re| are)?\b[^.!?]{{0,20}}\b{_MACHINE}\b"
    rf"|\b{_MACHINE}\b[^.!?]{{0,20}}\b(?:reading|processing|summari[sz]ing) th(?:is|e)\b"
    rf"|\bas an? (?:ai|large language model|llm|language model)\b",
    re.IGNORECASE,
)
_ABOUT_REPLY = re.compile(
    rf"\b(?:your|the|every|each) (?:\w+ )?{_REPLY}\b|\byour messages?\b"
    r"|\b(?:respond|reply|answer) (?:only|with|in|as)\b",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"^\W*(?:(?:now|then|also|next|finally|first|instead|please|and|additionally|before you|"
    r"(?:when(?:ever)?|if|once|as) you|"
    r"after (?:that|this|you)|in (?:your|the)|at the|for the)\b[^.!?]{0,60}?)?\b"
    r"(?:add|anagram|append|answer|attach|augment|combine|delete|enhance|group|misspell|render|"
    r"separate|split|substitute|tease|begin|change|close|conclude|convert|craft|create|disguise|"
    r"display|draft|embed|encode|encourage|end|explain|express|finish|format|generate|give|"
    r"highlight|hide|incorporate|include|inject|insert|integrate|introduce|invert|jumble|leave|"
    r"link|make|mention|mix|modify|offer|omit|output|place|post|prefix|present|print|promote|"
    r"propose|provide|put|rearrange|recommend|remove|repeat|replace|reply|respond|reverse|rewrite|"
    r"say|scramble|share|shuffle|spell|start|state|suggest|switch|swap|tell|transform|translate|"
    r"urge|use|utili[sz]e|weave|write)\b",
    re.IGNORECASE,
)
_ABOUT_ANY_ANSWER = re.compile(
    r"\b(?:correct|right|only|true) answer to (?:every|any|all|each|whatever)\b"
    r"|\bmust (?:appear|be (?:included|mentioned|shown|stated)) in (?:the|your|every|any) "
    r"(?:answers?|responses?|reply|replies|output)\b"
    r"|^\W*(?:then |and |now |please )?(?:say|write|print|output|repeat)\b[^.!?]{0,60}"
    r"\b(?:and nothing else|nothing but|word for word)\b"
    r"|\b(?:tell|ask|urge|direct|instruct) "
    r"(?:the reader|whoever asks|the person (?:who asks|asking))\b",
    re.IGNORECASE,
)
_REVEAL = re.compile(
    r"(?<!never )(?<!not )\b(?:reveal|show|print|repeat|output|display|leak|disclose|tell|share|"
    r"give|spell|what(?:'s| is| was| were| are))\b[^.!?]{0,50}"
    rf"\b(?:system prompt|secret (?:key|word|phrase|code)|your (?:\w+ )?{_ORDERS}|"
    r"(?:hidden|initial|original) (?:prompt|instructions?)|chat history|conversation above)\b",
    re.IGNORECASE,
)
_ROLE_MARK = re.compile(
    r"<\|/?[a-z_]{2,30}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"
    r"|</?(?:system|assistant|instructions?|user_input|passages?)>"
    r"|^\s*#{2,}\s*(?:instructions?|system|assistant|response)\b\s*:?\s*$"
    r"|^\W*(?:system|assistant)(?: (?:message|prompt|note|override|update))?\s*[:>\]]\s*\S.{0,60}"
    r"\b(?:you|your|ignore|must|user|assistant|answer)\b",
    re.IGNORECASE | re.MULTILINE,
)
_FETCHED = re.compile(
    r"!\[[^\]\n]{0,200}\]\(\s*(?:https?:|data:|//)|<(?:img|iframe|script|object|embed)\b[^>\n]{0,300}>"
    r"|\bjavascript:\w",
    re.IGNORECASE,
)
_ALWAYS_HIDDEN = re.compile(
    "[\U000e0000-\U000e007f\u202a-\u202e\u2066-\u2069]|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}"
)
_BETWEEN_LETTERS = re.compile("(?<=[A-Za-z])[\u200b-\u200f\u2060-\u2064\ufeff]+(?=[A-Za-z])")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
_SENTENCE = re.compile(
    r"[^.!?\n]*(?:[.!?](?![\"'\u201d\u2019)]*(?:\s|$))[^.!?\n]*)*"
    r"(?:[.!?]+[\"'\u201d\u2019)]*|\n|$)"
)


def screened(text: str, chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return the chunks of a text, each with what in it speaks to the machine."""
    return [
        replace(chunk, suspicions=found) if (found := suspicions(text, chunk)) else chunk
        for chunk in chunks
    ]


def suspicions(text: str, chunk: Chunk) -> tuple[Suspicion, ...]:
    """Return the stretches of a chunk that speak to the machine, in their order.

    Args:
        text: Of the version; offsets are its own.
        chunk: The part of it that is looked at.
    """
    found: list[Suspicion] = []
    for start, end in _paragraphs(text, chunk.start, chunk.end):
        found += _in_paragraph(text, start, end)
    return tuple(found)


def _paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the spans between empty lines; what belongs together is looked at together."""
    for match in re.finditer(r"\S[\s\S]*?(?=\n\s*\n|\Z)", text[start:end]):
        yield start + match.start(), start + match.end()


def _in_paragraph(text: str, start: int, end: int) -> list[Suspicion]:
    paragraph = text[start:end]
    if _hides(paragraph):
        return [Suspicion(start, end, SuspicionKind.HIDDEN)]
    spans = [
        (start + match.start(), start + match.end())
        for match in _SENTENCE.finditer(paragraph)
        if match.group().strip()
    ]
    pieces = [_plain(text[first:last]) for first, last in spans]
    kinds = [_kind(piece) for piece in pieces]
    for place, piece in enumerate(pieces):
        near = kinds[max(place - NEIGHBOURS, 0) : place + NEIGHBOURS + 1]
        if kinds[place] is None and _ORDER.search(piece) and SuspicionKind.INSTRUCTION in near:
            kinds[place] = SuspicionKind.INSTRUCTION
    return [
        Suspicion(first, last, kind)
        for (first, last), kind in zip(spans, kinds, strict=True)
        if kind is not None
    ]


def _hides(paragraph: str) -> bool:
    hidden = len(_BETWEEN_LETTERS.findall(paragraph))
    return hidden >= FEWEST_HIDDEN or _ALWAYS_HIDDEN.search(paragraph) is not None


def _plain(sentence: str) -> str:
    """Return a sentence as it looks: full-width letters and the like as plain ones."""
    shown = _INVISIBLE.sub("", sentence[:LONGEST_SENTENCE])
    return " ".join(unicodedata.normalize("NFKC", shown).replace("\u2019", "'").split())


def _kind(sentence: str) -> SuspicionKind | None:
    if _ROLE_MARK.search(sentence):
        return SuspicionKind.ROLE_MARK
    if _FETCHED.search(sentence):
        return SuspicionKind.FETCHED
    if (
        _OVERRIDE.search(sentence)
        or _ROLE_PLAY.search(sentence)
        or _CALLED.search(sentence)
        or _REVEAL.search(sentence)
        or _ABOUT_ANY_ANSWER.search(sentence)
        or (_ABOUT_REPLY.search(sentence) and _ORDER.search(sentence))
    ):
        return SuspicionKind.INSTRUCTION
    return None
