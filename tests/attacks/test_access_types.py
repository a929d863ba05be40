"""Reading past the gate does not build: types, imports and names refuse it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

BYPASSES = {
    "a chunk nobody checked in a prompt": """
from corpus.access import UncheckedChunk
from rag.prompting import passages_for_prompt
def bypass(chunk: UncheckedChunk) -> None:
    passages_for_prompt([chunk])
""",
    "a chunk nobody checked as evidence": """
from corpus.access import UncheckedChunk
from rag.citations import check_draft
def bypass(chunk: UncheckedChunk) -> None:
    check_draft("", [chunk])
""",
    "the text of a version nobody opened": """
from corpus.catalog import Catalog
from corpus.documents import Version
from rag import opened
def bypass(catalog: Catalog, version: Version) -> str:
    return opened.text_of(catalog, version)
""",
    "the original of a version nobody opened": """
from corpus.documents import Version
from corpus.originals import Originals
from rag import opened
def bypass(originals: Originals, version: Version) -> object:
    return opened.original_of(originals, version)
""",
    "an authorized chunk without the gate": """
from corpus.access import AuthorizedChunk, UncheckedChunk
def bypass(chunk: UncheckedChunk) -> AuthorizedChunk:
    return AuthorizedChunk(chunk, "ada")
""",
    "a search for nobody": """
from rag.retrieval import Retriever
def bypass(retriever: Retriever) -> object:
    return retriever.retrieve("question", limit=3)
""",
}
"""Each must be refused by mypy, in its last line."""

READING = {
    "text_of", "words_of", "parsed", "load_chunks", "chunks_of", "properties_of",
    "read", "path", "rendition_path",
}  # fmt: skip
"""Methods of the catalog and of the originals that hand out what a document holds."""

BEHIND_THE_GATE = {
    "rag/opened.py": "takes versions that the gate opened",
    "rag/retrieval.py": "returns chunks that nobody has checked, for the gate",
    "rag/reading_ahead.py": "keeps vectors of sentences, and hands out nothing",
    "rag/assistant.py": "reads chunks that the gate let through",
    "rag/showing.py": "reads boxes of chunks that the gate let through",
    "rag/oversight.py": "compares hashes for the auditor, and hands out no text",
    "rag/evaluation.py": "the operator's own measurements, on the command line",
}


def test_types_refuse_every_way_past_the_gate(tmp_path: Path) -> None:
    for number, text in enumerate(BYPASSES.values()):
        (tmp_path / f"bypass_{number}.py").write_text(text)

    ended = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--no-error-summary",
            "--cache-dir", str(tmp_path / "cache"),
            "--config-file", str(REPOSITORY / "pyproject.toml"),
            *map(str, sorted(tmp_path.glob("bypass_*.py"))),
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip

    for number, (name, text) in enumerate(BYPASSES.items()):
        last = len(text.splitlines())
        assert f"bypass_{number}.py:{last}: error:" in ended.stdout, (name, ended.stdout)


def test_nothing_in_the_service_reads_documents_but_what_stands_behind_the_gate() -> None:
    reading = {
        f"{path.relative_to(REPOSITORY)}"
        for path in (REPOSITORY / "rag").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in READING
        and _owner(call.func.value) in {"catalog", "_catalog", "originals", "_originals"}
    }

    assert reading <= BEHIND_THE_GATE.keys()


def _owner(value: ast.expr) -> str:
    if isinstance(value, ast.Attribute):
        return value.attr
    return value.id if isinstance(value, ast.Name) else ""


@pytest.mark.parametrize("module", ["prompting", "citations", "evidence", "generation"])
def test_what_words_answers_cannot_reach_the_catalog_by_itself(module: str) -> None:
    tree = ast.parse((REPOSITORY / "rag" / f"{module}.py").read_text(encoding="utf-8"))
    imported = {
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    } | {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }

    assert not any(name.startswith(("corpus.catalog", "corpus.index")) for name in imported)
