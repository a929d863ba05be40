"""The product's own parts that decide about answers, loaded once for every benchmark of them."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from corpus.access import AuthorizedChunk
from corpus.embedding import Embedder
from corpus.vectors import FloatMatrix, FloatVector
from muniment.settings import has_model, load_settings
from rag.citations import CheckedSentence, check_draft
from rag.evidence import Embed, EvidenceFinder, is_sufficient
from rag.judging import Judge, Pair, Verdict
from rag.larger_judge import load as larger_judge_of


@dataclass(frozen=True, slots=True)
class Score:
    """How well passages speak to a question, and whether that is enough to answer."""

    value: float
    sufficient: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a claim is called supported, and a score to draw a curve by; None for none."""

    supported: bool
    score: float | None


Check = Callable[[str, Sequence[AuthorizedChunk]], Checked]


def checks() -> dict[str, Check]:
    """Return the ways to check a claim, the shipped one last."""
    known: dict[str, Check] = {
        "by words alone": _by_words,
        "with a judge that may back": _judge_may_back,
        "with the judge": _judge_agrees,
    }
    if larger_judge() is not None:
        known["with the larger judge"] = _larger_judge_backs
    return known


def _by_words(claim: str, passages: Sequence[AuthorizedChunk]) -> Checked:
    return Checked(_is_supported(check_draft(claim, passages)), None)


def _judge_may_back(claim: str, passages: Sequence[AuthorizedChunk]) -> Checked:
    verdicts = judge().weigh(
        [Pair(claim, passage.found.text, is_question=False) for passage in passages]
    )
    score = max((verdict.bears_out for verdict in verdicts), default=0.0)
    supported = _is_supported(check_draft(claim, passages, judge().weigh, may_back=True))
    return Checked(supported, score)


def _judge_agrees(claim: str, passages: Sequence[AuthorizedChunk]) -> Checked:
    return Checked(_is_supported(check_draft(claim, passages, judge().weigh)), None)


def _larger_judge_backs(claim: str, passages: Sequence[AuthorizedChunk]) -> Checked:
    larger = larger_judge()
    borne_out = [0.0]

    def weigh_again(pairs: Sequence[Pair]) -> list[Verdict]:
        verdicts = larger.weigh(pairs) if larger is not None else []
        borne_out.extend(verdict.bears_out for verdict in verdicts)
        return verdicts

    found = check_draft(claim, passages, judge().weigh, weigh_again=weigh_again)
    supported = _is_supported(found)
    by_words = supported and len(borne_out) == 1
    return Checked(supported, 1.0 if by_words else max(borne_out))


def _is_supported(found: Sequence[CheckedSentence]) -> bool:
    return bool(found) and all(one.quote is not None for one in found)


def finders() -> dict[str, EvidenceFinder]:
    """Return the finders of evidence by what they go by, the shipped one last."""
    embed = _remembering(embedder().embed)
    known = {
        "without the judge": EvidenceFinder(embed),
        "with the judge": EvidenceFinder(embed, judge().weigh),
    }
    larger = larger_judge()
    if larger is not None:
        known["with the larger judge"] = EvidenceFinder(
            embed, judge().weigh, weigh_again=lambda: larger.weigh
        )
    return known


def _remembering(embed: Embed) -> Embed:
    """Return what embeds a text once, however often it is asked."""
    rows: dict[str, FloatVector] = {}

    def remembered(texts: Sequence[str]) -> FloatMatrix:
        new = [text for text in dict.fromkeys(texts) if text not in rows]
        if new:
            rows.update(zip(new, embed(new), strict=True))
        return np.array([rows[text] for text in texts], dtype=np.float32)

    return remembered


def score_of(finder: EvidenceFinder, question: str, passages: Sequence[AuthorizedChunk]) -> Score:
    """Return the score by which the product answers or refuses; 0 where there is no passage."""
    evidence = finder.find(question, passages)
    return Score(evidence[0].score if evidence else 0.0, is_sufficient(evidence))


@cache
def embedder() -> Embedder:
    """Return the product's encoder, its conversion kept where the product keeps it."""
    return Embedder.load(cache_folder=_cache_folder())


@cache
def judge() -> Judge:
    """Return the product's judge."""
    return Judge.load(cache_folder=_cache_folder())


@cache
def larger_judge() -> Judge | None:
    """Return the product's larger judge; None where its model has not been prepared."""
    base = load_settings().larger_judge_folder()
    if base is None or not has_model(base):
        return None
    return larger_judge_of(base, cache_folder=_cache_folder())


@cache
def _cache_folder() -> Path:
    folder = load_settings().data / "cache" / "embedding"
    if folder.is_dir():
        return folder
    made = Path(tempfile.mkdtemp(prefix="muniment-bench-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
