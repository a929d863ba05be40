"""The rules of the house that no linter knows."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("muniment", "ingest", "rag", "ui", "corpus", "audit")
TEXT = {".py", ".md", ".toml", ".yml", ".txt", ".conf", ".sh", ".js", ".css", ".env", ".json", ""}
BINARY = {
    ".pdf",
    ".docx",
    ".xlsx",
    ".pptx",
    ".png",
    ".jpg",
    ".woff2",
    ".svg",
    ".gguf",
    ".ico",
    ".safetensors",
}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout of the repository")
    return [
        path for name in listed.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()
    ]


def our_words() -> Iterator[tuple[str, int, str]]:
    """Every line of text we wrote: file, number, line."""
    for path in tracked():
        name = path.relative_to(REPOSITORY).as_posix()
        if path.suffix in BINARY or name in {"LICENSE", "tests/test_house.py"}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            yield name, number, line


def places_of(pattern: str) -> list[str]:
    wanted = re.compile(pattern)
    return [f"{name}:{number}" for name, number, line in our_words() if wanted.search(line)]


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"(?<![\w.])/(work|root|home)/[\w.]", id="a folder of somebody's machine"),
        pytest.param(r"(?i)\b(artifactory|jfrog|nexus\.|devpi)", id="a registry's host"),
        pytest.param(r"(?i)index-url\s*=?\s*https?://", id="a package index"),
    ],
)
def test_no_file_names_a_machine_of_ours(pattern: str) -> None:
    assert places_of(pattern) == []


def test_no_test_replaces_a_part_by_a_mock() -> None:
    places = places_of(r"unittest\.mock|MagicMock|\bmocker\b")

    assert [place for place in places if ".py:" in place] == []


def test_only_settings_and_silence_touch_the_environment() -> None:
    # The third is a process of its own and tells the engines it starts where to put their files.
    allowed = {"muniment/settings.py", "muniment/silence.py", "ingest/jail_main.py"}
    touching = {
        path.relative_to(REPOSITORY).as_posix()
        for path in modules()
        if re.search(r"\bos\.(environ|getenv|putenv)\b", path.read_text(encoding="utf-8"))
    }

    assert touching <= allowed


@pytest.mark.parametrize("package", PACKAGES)
def test_the_outline_of_errors_lists_every_class(package: str) -> None:
    tree = ast.parse((REPOSITORY / package / "errors.py").read_text(encoding="utf-8"))
    outline = ast.get_docstring(tree) or ""
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}

    assert {name for name in classes if not re.search(rf"\b{name}\b", outline)} == set()


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    silent = [
        path.relative_to(REPOSITORY).as_posix()
        for path in modules()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert silent == []


def test_no_module_has_a_name_that_every_module_could_bear() -> None:
    vague = {"utils", "util", "helpers", "common", "manager", "misc", "base"}

    assert {path.stem for path in modules()} & vague == set()


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}"
        for path in modules()
        if "migrations" not in path.parts  # a schema is one long list
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno > 60
    ]

    assert long == []


def test_every_entry_point_falls_silent_first() -> None:
    """An import before the silence would let a library read its switches too early."""
    tree = ast.parse((REPOSITORY / "muniment" / "__main__.py").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    first = imports[0]

    assert isinstance(first, ast.Import)
    assert first.names[0].name == "muniment.silence"


def test_every_package_of_ours_is_named_in_the_distribution() -> None:
    configuration = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    named = set(re.findall(r'^  "([\w.]+)",$', configuration, re.MULTILINE))
    folders = {
        path.parent.relative_to(REPOSITORY).as_posix().replace("/", ".")
        for path in modules()
        if path.name == "__init__.py"
    }

    assert folders <= named
