"""Read every sample question against the documents: `python -m samples.check`."""

import email
import email.policy
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pypdfium2

from samples.content import DOCUMENTS, HERE, WRITTEN, plain, read_all

QUESTIONS = HERE / "questions.jsonl"
TUNING_QUESTIONS = HERE / "questions-dev.jsonl"
KEYS = {"id", "question", "answerable", "document", "page", "place", "answer", "accept", "also"}
OFFICE = {".docx", ".pptx", ".xlsx"}


@dataclass(frozen=True, slots=True)
class Question:
    """A line of a questions file; `page` counts from 0 and is None without pages."""

    id: str
    question: str
    answerable: bool
    document: str | None
    page: int | None
    place: str | None
    answer: str
    accept: tuple[str, ...]
    also: tuple[str, ...]


def read_questions(path: Path) -> list[Question]:
    """Read a questions file; every line must have exactly the known keys."""
    questions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fields = json.loads(line)
        if set(fields) != KEYS:
            raise ValueError(f"{path.name}, line {number}: the keys must be {sorted(KEYS)}.")
        fields["accept"] = tuple(fields["accept"])
        fields["also"] = tuple(fields["also"])
        questions.append(Question(**fields))
    return questions


def problems(questions: list[Question]) -> list[str]:
    """Say what does not hold of the questions; empty when everything does."""
    return [f"{each.id}: {fault}" for each in questions for fault in _faults(each)]


def page_count(path: Path) -> int:
    """Pages of a PDF, slides of a deck, sheets of a workbook; 1 for everything else."""
    if path.suffix == ".pdf":
        with pypdfium2.PdfDocument(path) as document:
            return len(document)
    if path.suffix in {".pptx", ".xlsx"}:
        pattern = r"(ppt/slides/slide|xl/worksheets/sheet)\d+\.xml"
        with zipfile.ZipFile(path) as archive:
            return sum(bool(re.fullmatch(pattern, name)) for name in archive.namelist())
    return 1


@cache
def page_texts(target: str) -> tuple[str, ...]:
    """The text of each page as it stands in the committed document, on one line.

    A scan has no text to read; its pages are taken from what was written.
    """
    path = DOCUMENTS / target
    if path.suffix == ".pdf":
        with pypdfium2.PdfDocument(path) as document:
            pages = [page.get_textpage().get_text_range() for page in document]
        return tuple(map(_flat, pages if any(pages) else _written(target)))
    if path.suffix in OFFICE:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".xml")]
            return (_flat(" ".join(_unmarked(archive.read(name).decode()) for name in names)),)
    if path.suffix == ".eml":
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        return (_flat(message.get_content()),)
    text = path.read_text(encoding="utf-8")
    return (_flat(_unmarked(text) if path.suffix == ".html" else text),)


def _faults(question: Question) -> Iterator[str]:
    if not question.answerable:
        if question.document or question.accept or question.page is not None:
            yield "an unanswerable question names no document, page or accepted answer"
        return
    for target in (question.document or "", *question.also):
        if not (DOCUMENTS / target).is_file():
            yield f"there is no document {target!r}"
            return
    yield from _faults_of_answer(question, page_texts(question.document or ""))


def _faults_of_answer(question: Question, texts: tuple[str, ...]) -> Iterator[str]:
    has_pages = (question.document or "").endswith(".pdf")
    if has_pages != (question.page is not None):
        yield "a page is given for a PDF, and only for a PDF"
        return
    page = question.page or 0
    if page >= len(texts):
        yield f"there is no page {page}"
    elif not any(_flat(text) in texts[page] for text in question.accept):
        yield f"no accepted answer stands on page {page} of {question.document}"
    if not any(_flat(text) in _flat(question.answer) for text in question.accept):
        yield "the given answer holds none of the accepted strings"


def _written(target: str) -> list[str]:
    content = next(each for each in read_all(WRITTEN) if each.target == target)
    return content.body.split("\\pagebreak")


def _unmarked(markup: str) -> str:
    return re.sub(r"<[^>]+>", " ", markup)


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", plain(text)).strip().casefold()


def main() -> int:
    """Print every fault; 1 when there is any."""
    faults = [
        f"{path.name} {fault}"
        for path in (QUESTIONS, TUNING_QUESTIONS)
        for fault in problems(read_questions(path))
    ]
    for fault in faults:
        print(fault)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
