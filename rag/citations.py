"""Tie every sentence of a draft to the passage that supports it, or strike it out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise

from corpus.access import AuthorizedChunk
from rag.judging import Pair, Weigh
from rag.wording import (
    Span,
    clauses,
    is_negated,
    is_row,
    limits,
    modality,
    names,
    numbers,
    numbers_in_words,
    opens_with_pronoun,
    ordered_terms,
    sentences,
    stem,
    terms,
    words,
)

FULL_COVERAGE = 0.9
"""Part of a sentence's terms that its quote and the headings above it must hold together."""
QUOTE_COVERAGE = 0.6
"""Part of its terms that the quote alone must hold."""
WIDEST_SPREAD = 2.0
"""Terms of the source between the first and the last that a claim takes over, for each of the
claim's own: what is drawn together from further apart may join what does not belong together."""

SURE = 0.9
"""How likely a model that is fit to judge must find it that a span bears out a sentence."""
AGREED = 0.7
"""How likely our own judge must, where the span also holds nearly all of the words."""
AGREED_COVERAGE = 0.85
"""Part of a sentence's terms that the span itself must hold for that."""
LIKELY = 0.8
"""How likely our own judge must find it of a span that the larger one reads, ..."""
SURE_AGAIN = 0.88
"""... and how likely that one must, so that a sentence in other words is backed."""
READ_AGAIN = 3
"""Spans that the larger judge reads for a sentence, at most."""
DOUBTFUL = 0.5
"""How likely the judge must find a contradiction to strike what words alone let pass."""
CONSIDERED = 8
"""Spans that the judge reads for a sentence: those that share most of its terms."""


@dataclass(frozen=True, slots=True)
class Quote:
    """An exact span of a version that supports a sentence.

    Attributes:
        passage: Position of its passage among those given, from 0.
        span: In offsets of the version's text.
        text: What stands there.
    """

    passage: int
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence of the draft and what supports it.

    Attributes:
        text: The sentence.
        quotes: What supports it: one span, or one for each of its clauses; empty when nothing
            does.
        verbatim: Whether it is in the source's own words.
    """

    text: str
    quotes: tuple[Quote, ...] = ()
    verbatim: bool = False

    @property
    def quote(self) -> Quote | None:
        """What supports it, or its first clause; None when nothing does."""
        return next(iter(self.quotes), None)


@dataclass(frozen=True, slots=True)
class _Window:
    quote: Quote
    terms: frozenset[str]
    context_terms: frozenset[str]
    context_figures: frozenset[str]
    sentences: tuple[str, ...]
    above: str

    def claimed(self, claim: str) -> Pair:
        """Return a claim with the text as the judges were taught to read it: under its heading."""
        text = f"{self.above}. {self.quote.text}" if self.above else self.quote.text
        return Pair(claim, text, is_question=False)


def check_draft(
    draft: str,
    passages: Sequence[AuthorizedChunk],
    weigh: Weigh | None = None,
    *,
    weigh_again: Weigh | None = None,
    may_back: bool = False,
) -> list[CheckedSentence]:
    """Return the draft's sentences, each with the narrowest span that supports it.

    A sentence of several clauses that no span supports as a whole is supported when each of its
    clauses is, by a span of its own.

    A span supports a sentence when it holds its words in their order and close together, all its
    figures and names, no other figure among them, every "only", "all" or "monthly" of it, and
    neither denies what the sentence states nor turns a duty into a permission. A judge strikes
    what it finds contradicted all the same. Where the words are there but in another order, it
    may agree that the span bears the sentence out. Only the larger judge, or one that may back,
    also finds support that words alone do not show: it must be sure, and figures and names must
    be there; beside the larger judge the first must find it likely too.
    Chosen on `samples/claims`; `python -m bench claims` prints what passes.

    Args:
        draft: What the model wrote.
        passages: What it was given.
        weigh: The judge; None to go by words alone.
        weigh_again: The larger judge, for what neither words nor the first find borne out.
        may_back: Whether it may back what words do not show, or only strike and agree.
    """
    windows = [
        window for number, passage in enumerate(passages) for window in _windows(number, passage)
    ]
    weighed = partial(
        _weighed, windows=windows, weigh=weigh, weigh_again=weigh_again, may_back=may_back
    )
    return [_in_whole_or_in_clauses(span.of(draft), weighed) for span in sentences(draft)]


def _in_whole_or_in_clauses(
    sentence: str, weighed: Callable[[str], tuple[CheckedSentence, bool]]
) -> CheckedSentence:
    """Check a sentence against one span, else each of its clauses against a span of its own.

    What the judge found contradicted does not come back in pieces.
    """
    whole, contradicted = weighed(sentence)
    parts = [] if whole.quote is not None or contradicted else clauses(sentence)
    apart = [weighed(part)[0].quotes for part in parts]
    if not apart or not all(apart):
        return whole
    return CheckedSentence(sentence, tuple(dict.fromkeys(chain.from_iterable(apart))))


def _weighed(
    claim: str,
    *,
    windows: Sequence[_Window],
    weigh: Weigh | None,
    weigh_again: Weigh | None,
    may_back: bool,
) -> tuple[CheckedSentence, bool]:
    """Check a claim by words, then by the judges; say with it whether the first struck it."""
    checked = _check(claim, windows)
    if weigh is None:
        return checked, False
    if checked.quote is not None:
        after = _unless_contradicted(checked, windows, weigh)
        return after, after.quote is None
    likely = _likely_support(claim, windows)
    if may_back:
        return _borne_out(checked, likely, weigh, least=SURE), False
    same_words = [one for one in likely if _holds_the_words(claim, one)]
    agreed = _borne_out(checked, same_words, weigh, least=AGREED)
    if agreed.quote is None and weigh_again is not None:
        # Those of the same words were just found less likely than AGREED, so not LIKELY either.
        others = [
            one for one in likely if one not in same_words and _keeps_figures_in_order(claim, one)
        ]
        first = _found_likely(claim, others, weigh)
        agreed = _borne_out(checked, first, weigh_again, least=SURE_AGAIN)
    return agreed, False


def _found_likely(claim: str, windows: Sequence[_Window], weigh: Weigh) -> list[_Window]:
    """Return the few windows that the first judge finds most likely to bear a claim out."""
    if not windows:
        return []
    verdicts = weigh([window.claimed(claim) for window in windows])
    found = [
        (verdict.bears_out, place)
        for place, verdict in enumerate(verdicts)
        if verdict.bears_out >= LIKELY
    ]
    return [windows[place] for _, place in sorted(found, reverse=True)[:READ_AGAIN]]


def _unless_contradicted(
    checked: CheckedSentence, windows: Sequence[_Window], weigh: Weigh
) -> CheckedSentence:
    """Strike what the judge finds contradicted by the very span that words find to support it."""
    if checked.verbatim:
        return checked
    own = next(window for window in windows if window.quote == checked.quote)
    (verdict,) = weigh([own.claimed(checked.text)])
    return CheckedSentence(checked.text) if verdict.contradicts >= DOUBTFUL else checked


def _borne_out(
    checked: CheckedSentence, likely: Sequence[_Window], weigh: Weigh, *, least: float
) -> CheckedSentence:
    """Let the judge find support for what is said in other words, or in another order."""
    if not likely:
        return checked
    verdicts = weigh([window.claimed(checked.text) for window in likely])
    borne_out = [
        (verdict.bears_out, window)
        for verdict, window in zip(verdicts, likely, strict=True)
        if verdict.bears_out >= least
    ]
    if not borne_out:
        return checked
    _, best = min(borne_out, key=lambda pair: (len(pair[1].quote.text), -pair[0]))
    return CheckedSentence(checked.text, (best.quote,))


def _likely_support(sentence: str, windows: Sequence[_Window]) -> list[_Window]:
    """Return the windows that hold a sentence's figures and names and most of its terms."""
    claimed = terms(sentence)
    if not claimed:
        return []
    named = {name for name in names(sentence) if not name.isdigit()}
    able = [
        window
        for window in windows
        if _figures(sentence) <= _figures(window.quote.text) | window.context_figures
        and named <= window.terms | window.context_terms
    ]
    return sorted(
        able,
        key=lambda window: (
            -len(claimed & (window.terms | window.context_terms)),
            len(window.quote.text),
        ),
    )[:CONSIDERED]


def _holds_the_words(sentence: str, window: _Window) -> bool:
    """Say whether a window holds nearly all of a sentence's terms, in any order, and its sense."""
    claimed = terms(sentence)
    return (
        len(claimed & window.terms) >= AGREED_COVERAGE * len(claimed)
        and limits(sentence) <= limits(window.quote.text)
        and _same_sense(sentence, _nearest(window.sentences, claimed))
        and _keeps_figures_in_order(sentence, window)
    )


def _check(sentence: str, windows: Sequence[_Window]) -> CheckedSentence:
    claimed = terms(sentence)
    if not claimed:
        return CheckedSentence(sentence)
    supporting = [
        (len(claimed & window.terms) / len(claimed), window)
        for window in windows
        if _supports(window, sentence, claimed)
    ]
    if not supporting:
        return CheckedSentence(sentence)
    # Among equally good ones the shortest, then the one of the better passage.
    _, best = max(
        supporting,
        key=lambda pair: (round(pair[0], 2), -len(pair[1].quote.text), -pair[1].quote.passage),
    )
    return CheckedSentence(
        sentence, (best.quote,), verbatim=_plain(sentence) in _plain(best.quote.text)
    )


def _supports(window: _Window, sentence: str, claimed: set[str]) -> bool:
    known = window.terms | window.context_terms
    nearest = _nearest(window.sentences, claimed)
    return (
        _figures(sentence) <= _figures(nearest) | window.context_figures
        and {name for name in names(sentence) if not name.isdigit()} <= known
        and len(claimed & known) >= FULL_COVERAGE * len(claimed)
        and len(claimed & window.terms) >= QUOTE_COVERAGE * len(claimed)
        and _same_sense(sentence, nearest)
        and limits(sentence) <= limits(window.quote.text)
        and _is_in_order(sentence, window)
    )


def _is_in_order(sentence: str, window: _Window) -> bool:
    """Say whether the source says the claim's terms in their order, close together.

    Terms that the headings hold may be left out; a figure that the source puts between the
    claim's terms may not, for it would be dropped.
    """
    source = ordered_terms(window.quote.text)
    own = [
        term
        for term in ordered_terms(sentence)
        if term not in window.context_terms or term in window.terms
    ]
    places = _common_places(own, source)
    if not places or len(places) < FULL_COVERAGE * len(own):
        return False
    taken = source[places[0] : places[-1] + 1]
    if len(taken) > WIDEST_SPREAD * len(own) + 1:
        return False
    if not _keeps_figures_in_order(sentence, window):
        return False
    return _figures(" ".join(taken)) <= _figures(sentence) | window.context_figures


def _keeps_figures_in_order(sentence: str, window: _Window) -> bool:
    """Say whether a window gives a sentence's figures in its order: two swapped say otherwise."""
    stated = iter(_ordered_figures(window.quote.text))
    claimed = _ordered_figures(sentence)
    return all(figure in stated for figure in claimed if figure not in window.context_figures)


def _ordered_figures(text: str) -> list[str]:
    known = numbers(text)
    return [term for term in ordered_terms(text) if term in known]


def _common_places(own: Sequence[str], source: Sequence[str]) -> list[int]:
    """Return where in the source the longest common subsequence stands."""
    longest = [[0] * (len(source) + 1) for _ in range(len(own) + 1)]
    for row in range(len(own) - 1, -1, -1):
        for column in range(len(source) - 1, -1, -1):
            if own[row] == source[column]:
                longest[row][column] = longest[row + 1][column + 1] + 1
            else:
                longest[row][column] = max(longest[row + 1][column], longest[row][column + 1])
    places: list[int] = []
    row = column = 0
    while row < len(own) and column < len(source):
        if own[row] == source[column]:
            places.append(column)
            row, column = row + 1, column + 1
        elif longest[row + 1][column] >= longest[row][column + 1]:
            row += 1
        else:
            column += 1
    return places


def _nearest(candidates: Sequence[str], claimed: set[str]) -> str:
    """Return the sentence spoken of: figures and denials of its neighbour are not its own."""
    return max(candidates, key=lambda text: len(claimed & terms(text)))


def _figures(text: str) -> set[str]:
    return numbers(text) | numbers_in_words(text)


def _same_sense(claim: str, source: str) -> bool:
    if is_negated(claim) != is_negated(source):
        return False
    claimed, stated = modality(claim), modality(source)
    return not claimed or not stated or claimed == stated


def _windows(number: int, passage: AuthorizedChunk) -> list[_Window]:
    found = passage.found
    spans = sentences(found.text)
    pairs = [
        Span(first.start, second.end)
        for first, second in pairwise(spans)
        if "\n" not in found.text[first.end : second.start]  # rows of a table make no pair
        and opens_with_pronoun(second.of(found.text))
    ]
    return [
        _window(number, passage, span)
        for span in [*spans, *pairs]
        if not found.is_suspicious(span.start, span.end)
    ]


def _window(number: int, passage: AuthorizedChunk, span: Span) -> _Window:
    found = passage.found
    text, start = span.of(found.text), found.chunk.start
    stems = {stem(word) for word in words(text)}
    columns = found.chunk.context if is_row(text) else ""
    context = " ".join([found.title, *found.chunk.heading_path, columns])
    above = [found.title, *found.chunk.heading_path[-1:], columns]
    return _Window(
        quote=Quote(number, Span(span.start + start, span.end + start), text),
        terms=frozenset(terms(text) | stems),
        context_terms=frozenset(terms(context) | {stem(word) for word in words(context)}),
        context_figures=frozenset(numbers(context)),
        sentences=tuple(each.of(text) for each in sentences(text)),
        above=". ".join(filter(None, above)),
    )


def _plain(text: str) -> str:
    return " ".join(words(text.lower()))
