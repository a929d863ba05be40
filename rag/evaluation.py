"""Measure answers on questions whose document, page and answer are known."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import pypdfium2

from corpus.catalog import Catalog
from corpus.documents import OriginalHash, VersionId, Word
from corpus.originals import Originals
from rag.contract import Answer, Citation, Mark, Outcome
from rag.errors import QuestionsInvalid

TOP = 5
BOX_MARGIN_POINTS = 1.5
"""Glyphs reach a little over their boxes; text is read back with this much around them."""
READ_BACK_EXCESS = 1.5
"""Text under the marks may be at most this much longer than the quote."""


@dataclass(frozen=True, slots=True)
class KnownQuestion:
    """A question with what is expected of its answer.

    Attributes:
        question_id: Its name in the file.
        question: As a person would ask it.
        answerable: Whether the documents answer it.
        documents: Paths (relative to the source) of the documents that answer it.
        page: The page (from 0) of the first document; None in documents without pages.
        accept: Strings of which a right answer contains one.
    """

    question_id: str
    question: str
    answerable: bool
    documents: tuple[str, ...]
    page: int | None
    accept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """One question, its answer, and what held of it; None where a thing does not apply."""

    known: KnownQuestion
    answer: Answer
    document_found: bool | None
    page_found: bool | None
    refused: bool
    right: bool | None
    citations: int
    citations_standing: int
    cites_expected: bool | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table: what was counted, of how many, and what is asked for."""

    name: str
    count: int
    total: int
    target: str
    holds: bool | None

    @property
    def share(self) -> float:
        """Return the part, 0 to 1; 0 of nothing."""
        return self.count / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class RefusalPoint:
    """What a threshold on the best passage's match would refuse, as parts from 0 to 1."""

    threshold: float
    answerable: float
    unanswerable: float


def read_questions(path: Path) -> list[KnownQuestion]:
    """Return the questions of a JSON-lines file.

    Raises:
        QuestionsInvalid: With the line that cannot be used.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionsInvalid(f"The questions {path} cannot be read: {error}") from error
    return [
        _known_question(line, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _known_question(line: str, where: str) -> KnownQuestion:
    try:
        row = json.loads(line)
        documents = (row["document"], *row.get("also", ())) if row["answerable"] else ()
        return KnownQuestion(
            question_id=str(row["id"]),
            question=str(row["question"]),
            answerable=bool(row["answerable"]),
            documents=tuple(documents),
            page=row.get("page"),
            accept=tuple(row.get("accept", ())),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise QuestionsInvalid(
            f"{where}: a question needs id, question, answerable and, when answerable, document "
            f"({type(error).__name__}: {error})"
        ) from error


def judge(
    known: Sequence[KnownQuestion],
    *,
    ask: Callable[[str], Answer],
    stands: Callable[[Citation], bool],
    progress: Callable[[int], None],
) -> list[Judged]:
    """Ask every question and judge its answer mechanically."""
    judged: list[Judged] = []
    for number, question in enumerate(known, start=1):
        judged.append(_judge(question, ask(question.question), stands))
        progress(number)
    return judged


def _judge(known: KnownQuestion, answer: Answer, stands: Callable[[Citation], bool]) -> Judged:
    top = answer.passages[:TOP]
    refused = answer.outcome in {Outcome.REFUSED, Outcome.UNCLEAR}
    document_found = page_found = right = cites_expected = None
    if known.answerable:
        document_found = any(passage.path in known.documents for passage in top)
        if known.page is not None:
            page_found = any(
                passage.path == known.documents[0] and passage.page == known.page for passage in top
            )
        if not refused:
            shown = _plain(" ".join(sentence.text for sentence in answer.sentences))
            right = any(_plain(text) in shown for text in known.accept)
            cites_expected = any(each.path in known.documents for each in answer.citations)
    return Judged(
        known=known,
        answer=answer,
        document_found=document_found,
        page_found=page_found,
        refused=refused,
        right=right,
        citations=len(answer.citations),
        citations_standing=sum(stands(citation) for citation in answer.citations),
        cites_expected=cites_expected,
    )


def figures(judged: Sequence[Judged]) -> list[Figure]:
    """Return the table that `muniment evaluate samples` prints."""
    answerable = [each for each in judged if each.known.answerable]
    unanswerable = [each for each in judged if not each.known.answerable]
    return [
        _at_least(
            f"Right document in the top {TOP}", (each.document_found for each in answerable), 0.95
        ),
        _at_least(f"Right page in the top {TOP}", (each.page_found for each in answerable), 0.85),
        _at_least("Unanswerable questions refused", (each.refused for each in unanswerable), 0.80),
        _at_most("Answerable questions refused", (each.refused for each in answerable), 0.10),
        Figure(
            "Citations whose quote stands at its page and boxes",
            sum(each.citations_standing for each in judged),
            sum(each.citations for each in judged),
            "all",
            all(each.citations_standing == each.citations for each in judged),
        ),
        _plain_figure("Answers that cite an expected document", (e.cites_expected for e in judged)),
        _plain_figure("Answers that hold the expected words", (each.right for each in judged)),
    ]


def refusal_curve(judged: Sequence[Judged]) -> list[RefusalPoint]:
    """Return what each threshold would refuse, the least strict first.

    Thresholds are the matches of the best passages that occur; a question with no passage
    matches by 0. With it a site sees what its own questions would bear.
    """
    answerable = [_best_match(each) for each in judged if each.known.answerable]
    unanswerable = [_best_match(each) for each in judged if not each.known.answerable]
    return [
        RefusalPoint(
            threshold,
            answerable=sum(match < threshold for match in answerable) / max(len(answerable), 1),
            unanswerable=sum(match < threshold for match in unanswerable)
            / max(len(unanswerable), 1),
        )
        for threshold in sorted({*answerable, *unanswerable})
    ]


def area_under(curve: Sequence[RefusalPoint]) -> float:
    """Return how often an answerable question matches better than an unanswerable one, 0 to 1."""
    points = [
        *((point.answerable, point.unanswerable) for point in curve),
        (1.0, 1.0),
    ]
    return sum((right[0] - left[0]) * (left[1] + right[1]) / 2 for left, right in pairwise(points))


def _best_match(judged: Judged) -> float:
    return max((passage.score for passage in judged.answer.passages), default=0.0)


def latency(judged: Sequence[Judged], step: str) -> float | None:
    """Return the median milliseconds of a step of Timings; None where it never ran."""
    values = [getattr(each.answer.timings, step) for each in judged]
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _counted(values: Iterable[bool | None]) -> tuple[int, int]:
    known = [value for value in values if value is not None]
    return sum(known), len(known)


def _at_least(name: str, values: Iterable[bool | None], share: float) -> Figure:
    count, total = _counted(values)
    return Figure(name, count, total, f"at least {share:.0%}", count >= share * total)


def _at_most(name: str, values: Iterable[bool | None], share: float) -> Figure:
    count, total = _counted(values)
    return Figure(name, count, total, f"at most {share:.0%}", count <= share * total)


def _plain_figure(name: str, values: Iterable[bool | None]) -> Figure:
    count, total = _counted(values)
    return Figure(name, count, total, "", None)


def quote_stands(citation: Citation, *, catalog: Catalog, originals: Originals) -> bool:
    """Say whether a citation's quote really stands where it says.

    The text under the marks is read back from the original. On a page that is a picture
    there is none, and the recognised words under the marks are compared instead. In a
    document without pages the quote is compared with the text at its offsets.
    """
    version = catalog.version(VersionId(citation.version_id))
    if catalog.text_of(version.version_id)[citation.start : citation.end] != citation.quote:
        return False
    if not version.page_count:
        return citation.page is None and not citation.marks
    if citation.page is None or not citation.marks:
        return False
    read_back = _text_under(_pages_of(version.original, originals), citation.marks)
    if not _plain(read_back):
        pages = [mark.page for mark in citation.marks]
        words = catalog.words_of(version.version_id, first_page=min(pages), last_page=max(pages))
        text = catalog.text_of(version.version_id)
        read_back = " ".join(
            text[word.start : word.end]
            for word in words
            if any(_inside(word, mark) for mark in citation.marks)
        )
    return _holds(read_back, citation.quote)


def _pages_of(original: OriginalHash, originals: Originals) -> bytes:
    """Return the PDF on whose pages the words of an original stand."""
    rendition = originals.rendition_path(original)
    return rendition.read_bytes() if rendition.exists() else originals.read(original)


def _text_under(pdf: bytes, marks: Sequence[Mark]) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return " ".join(_text_under_mark(document, mark) for mark in marks)
    finally:
        document.close()


def _text_under_mark(document: pypdfium2.PdfDocument, mark: Mark) -> str:
    page = document[mark.page]
    left, bottom, _, top = page.get_cropbox()
    text = page.get_textpage().get_text_bounded(
        left=left + mark.x0 - BOX_MARGIN_POINTS,
        bottom=max(bottom, top - mark.y1 - BOX_MARGIN_POINTS),
        right=left + mark.x1 + BOX_MARGIN_POINTS,
        top=top - mark.y0 + BOX_MARGIN_POINTS,
    )
    return str(text)


def _inside(word: Word, mark: Mark) -> bool:
    middle_x, middle_y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
    within = mark.x0 <= middle_x <= mark.x1 and mark.y0 <= middle_y <= mark.y1
    return within and word.page == mark.page


def _holds(read_back: str, quote: str) -> bool:
    found, wanted = _letters(read_back), _letters(quote)
    position = 0
    for letter in wanted:
        position = found.find(letter, position) + 1
        if position == 0:
            return False
    return len(found) <= READ_BACK_EXCESS * len(wanted) + 20


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w%\u00a3.]+", " ", text.lower().replace(",", "")).split()).strip(
        ". "
    )
