"""Turn the evaluation sets into what `muniment evaluate retrieval` reads; nothing is kept here."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from muniment.settings import CHECKOUT

SHORT_HEADING_WORDS = 14
DRAWN_PART = "maud"
"""Of LegalBench-RAG; its agreements are nine tenths of the text."""
_PARENT = re.compile(r"^(.*?)(\.?\([^()]*\)|\.[^.()]+)$")

Row = dict[str, object]


def data_folder() -> Path | None:
    """Return where the evaluation sets are, None where they are not."""
    folder = Path(os.environ.get("MUNIMENT_EVAL_DATA", CHECKOUT.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


def write_obliqa(data: Path, target: Path) -> Path:
    """Write ObliQA's development questions and its passages in the layout of BEIR."""
    rows = list(_passages(data / "obliqa" / "documents"))
    known = {str(row["_id"]) for row in rows}
    asked = json.loads((data / "obliqa" / "dev.json").read_text(encoding="utf-8"))
    relevant = {
        one["QuestionID"]: [_key(p["DocumentID"], p["PassageID"]) for p in one["Passages"]]
        for one in asked
    }
    return _write_beir(
        target,
        rows,
        {one["QuestionID"]: one["Question"] for one in asked},
        {question: [key for key in keys if key in known] for question, keys in relevant.items()},
    )


def write_xrefrag(data: Path, target: Path) -> Path:
    """Write XRefRAG's questions over the same passages: each needs a rule and what it cites."""
    names: dict[str, str] = {}
    rows = list(_passages(data / "obliqa" / "documents", names))
    questions, relevant = {}, {}
    for path in sorted((data / "xrefrag").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            questions[one["item_id"]] = one["question"]
            relevant[one["item_id"]] = [
                names[one["source_passage_id"]],
                names[one["target_passage_id"]],
            ]
    return _write_beir(target, rows, questions, relevant)


def write_financebench(data: Path, target: Path) -> tuple[Path, Path]:
    """Write FinanceBench's questions; return the folder of filings and the questions."""
    folder = data / "financebench"
    rows = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [
        {
            "id": one["financebench_id"],
            "question": one["question"],
            "evidence": [
                {"document": f"{piece['doc_name']}.pdf", "page": piece["evidence_page_num"]}
                for piece in one["evidence"]
            ],
        }
        for one in map(json.loads, rows)
    ]
    return folder / "pdfs", _write_lines(target / "questions.jsonl", questions)


def drawn_agreements(data: Path, count: int) -> list[str]:
    """Return the merger agreements of LegalBench-RAG that come first by the hash of their names."""
    names = [path.name for path in (data / "legalbenchrag" / "corpus" / DRAWN_PART).iterdir()]
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count]


def write_legalbench(
    data: Path, target: Path, part: str, *, agreements: int | None = None
) -> tuple[Path, Path]:
    """Write the questions of a part of LegalBench-RAG; return the corpus and the questions.

    The spans are written as what they quote, with where it stands as a part of its file: the
    text of a file that was read has other white space.

    Args:
        data: The evaluation sets.
        target: Where it is written.
        part: The part's name.
        agreements: How many of the merger agreements are in the corpus; None for all, and the
            corpus is not copied. All other contracts are.
    """
    folder = data / "legalbenchrag"
    corpus = folder / "corpus" if agreements is None else target / "corpus"
    if agreements is not None:
        _copy_drawn(folder / "corpus", corpus, drawn_agreements(data, agreements))
    lengths: dict[str, int] = {}
    questions = []
    for number, one in enumerate(json.loads((folder / f"{part}.json").read_text())["tests"]):
        if not all((corpus / piece["file_path"]).exists() for piece in one["snippets"]):
            continue
        evidence = []
        for piece in one["snippets"]:
            path = piece["file_path"]
            if path not in lengths:
                lengths[path] = len((folder / "corpus" / path).read_text(encoding="utf-8"))
            evidence.append(
                {
                    "document": path,
                    "quote": piece["answer"],
                    "near": piece["span"][0] / max(lengths[path], 1),
                }
            )
        questions.append({"id": f"{part}-{number}", "question": one["query"], "evidence": evidence})
    return corpus, _write_lines(target / f"{part}.jsonl", questions)


def _copy_drawn(source: Path, target: Path, agreements: Collection[str]) -> None:
    for file in sorted(source.rglob("*.txt")):
        if file.parent.name != DRAWN_PART or file.name in agreements:
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


def _passages(folder: Path, names: dict[str, str] | None = None) -> Iterator[Row]:
    """Yield the passages that hold text, the first of every key, under the headings above them."""
    for path in sorted(folder.glob("*.json"), key=lambda found: int(found.stem)):
        passages = json.loads(path.read_text(encoding="utf-8"))
        headings: dict[str, str] = {}
        for one in passages:
            text = one["Passage"].strip()
            if text and len(text.split()) <= SHORT_HEADING_WORDS and "\n" not in text:
                headings.setdefault(one["PassageID"].strip().rstrip("."), text)
        seen: set[str] = set()
        for one in passages:
            key, text = _key(one["DocumentID"], one["PassageID"]), one["Passage"].strip()
            if not text or key in seen:
                continue
            seen.add(key)
            if names is not None:
                names[one["ID"]] = key
            above = [
                headings[parent] for parent in _parents(one["PassageID"]) if parent in headings
            ]
            yield {
                "_id": key,
                "title": " \u203a ".join([*reversed(above), one["PassageID"].strip()]),
                "text": text,
                "metadata": {"document": path.stem},
            }


def _parents(passage_id: str) -> Iterator[str]:
    rest = passage_id.strip().rstrip(".")
    while found := _PARENT.match(rest):
        rest = found[1].rstrip(".")
        if not rest:
            return
        yield rest


def _key(document: object, passage: str) -> str:
    return f"{document}|{passage.strip()}"


def _write_beir(
    target: Path,
    rows: Iterable[Row],
    questions: Mapping[str, str],
    relevant: Mapping[str, Iterable[str]],
) -> Path:
    (target / "qrels").mkdir(parents=True, exist_ok=True)
    _write_lines(target / "corpus.jsonl", rows)
    _write_lines(
        target / "queries.jsonl", ({"_id": key, "text": text} for key, text in questions.items())
    )
    lines = ["query-id\tcorpus-id\tscore"]
    lines += [f"{key}\t{passage}\t1" for key, some in relevant.items() for passage in some]
    (target / "qrels" / "dev.tsv").write_text("\n".join(lines), encoding="utf-8")
    return target


def _write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lines:
        for row in rows:
            lines.write(json.dumps(row) + "\n")
    return path
