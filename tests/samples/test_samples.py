"""The samples: enough of them, reproducible, and their questions true."""

import hashlib
import tomllib
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from samples.check import QUESTIONS, TUNING_QUESTIONS, page_count, problems, read_questions
from samples.content import DOCUMENTS, HERE

MAXIMUM_BYTES = 6_000_000


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def groups_of(source: dict[str, Any], path: str) -> set[str]:
    matching = (rule["groups"] for rule in source["rules"] if fnmatchcase(path, rule["glob"]))
    return set(next(matching, source["groups"]))


def test_there_are_enough_documents_and_pages_in_every_format() -> None:
    documents = [path for path in DOCUMENTS.rglob("*") if path.is_file()]

    formats = {path.suffix for path in documents}

    assert len(documents) >= 28
    assert sum(page_count(path) for path in documents) >= 130
    assert sum(page_count(path) for path in documents if path.suffix == ".pdf") >= 115
    assert formats == {".pdf", ".docx", ".xlsx", ".pptx", ".html", ".eml", ".md", ".txt"}
    assert sum(path.stat().st_size for path in documents) < MAXIMUM_BYTES


def test_generating_again_gives_the_committed_bytes(tmp_path: Path) -> None:
    pytest.importorskip("reportlab", reason="the samples extra is not installed")
    from samples.generate import generate  # noqa: PLC0415 -- needs the samples extra

    generate(tmp_path)

    assert fingerprints(tmp_path) == fingerprints(DOCUMENTS)


@pytest.mark.parametrize(
    ("path", "count", "unanswerable"), [(QUESTIONS, 60, 15), (TUNING_QUESTIONS, 240, 81)]
)
def test_every_question_holds_against_the_documents(
    path: Path, count: int, unanswerable: int
) -> None:
    questions = read_questions(path)

    assert len({each.id for each in questions}) == count
    assert sum(not each.answerable for each in questions) == unanswerable
    assert problems(questions) == []


def test_tuning_questions_are_not_among_the_unseen() -> None:
    unseen = {each.question for each in read_questions(QUESTIONS)}

    assert unseen.isdisjoint(each.question for each in read_questions(TUNING_QUESTIONS))


def test_questions_need_every_format_and_the_scan() -> None:
    documents = [each.document or "" for each in read_questions(QUESTIONS) if each.answerable]

    suffixes = Counter(Path(document).suffix for document in documents)

    assert {".pdf", ".xlsx", ".pptx", ".html", ".eml", ".md"} <= set(suffixes)
    assert any("scan" in document for document in documents)


def test_somebody_may_read_every_area_and_somebody_may_not() -> None:
    source = tomllib.loads((HERE / "source.toml").read_text(encoding="utf-8"))

    readable = {
        account["name"]: sum(
            bool(groups_of(source, path) & set(account["groups"]))
            for path in fingerprints(DOCUMENTS)
        )
        for account in source["accounts"]
    }

    assert max(readable.values()) == len(fingerprints(DOCUMENTS))
    assert min(readable.values()) < len(fingerprints(DOCUMENTS))


def test_every_rule_of_the_source_matches_a_document() -> None:
    source = tomllib.loads((HERE / "source.toml").read_text(encoding="utf-8"))

    idle = [
        rule["glob"]
        for rule in source["rules"]
        if not any(fnmatchcase(path, rule["glob"]) for path in fingerprints(DOCUMENTS))
    ]

    assert idle == []
