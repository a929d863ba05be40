"""What the page must never use, because it would make foreign text or a foreign host live."""

import re
from pathlib import Path

import pytest

UI = Path(__file__).parents[2] / "ui"
PYTHON = sorted(UI.rglob("*.py"))
SCRIPT = sorted(UI.rglob("*.js"))

FORBIDDEN_PYTHON = {
    "HTML through markdown": r"unsafe_allow_html",
    "script through st.html": r"unsafe_allow_javascript",
    "frames": r"st\.(components\.v1|iframe)|\.iframe\(",
    "map tiles": r"st\.(map|pydeck_chart)",
    "markdown": r"\b\w+\.(markdown|write|write_stream|chat_message|latex)\(",
    "media without a session": r"st\.(image|pdf|video|audio|download_button)\(",
    "answers kept for more than one person": r"\bcache_(data|resource)\b",
    "a session kept by Streamlit": r"st\.(login|user)\b",
}
FORBIDDEN_SCRIPT = {
    "HTML from text": r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser",
    "evaluation": r"\beval\(|new Function|import\(",
    "an address elsewhere": r"https?://",
}


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(UI)))
@pytest.mark.parametrize("what", FORBIDDEN_PYTHON)
def test_the_page_never_uses(what: str, path: Path) -> None:
    assert not re.search(FORBIDDEN_PYTHON[what], path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SCRIPT, ids=lambda path: path.name)
@pytest.mark.parametrize("what", FORBIDDEN_SCRIPT)
def test_a_component_never_uses(what: str, path: Path) -> None:
    assert not re.search(FORBIDDEN_SCRIPT[what], path.read_text(encoding="utf-8"))


def test_style_sheets_fetch_nothing_from_elsewhere() -> None:
    for path in UI.rglob("*.css"):
        assert not re.search(r"https?://|@import", path.read_text(encoding="utf-8")), path


def test_st_html_takes_only_files_of_ours() -> None:
    calls = [call for path in PYTHON for call in re.findall(r"st\.html\((.*)\)", path.read_text())]

    assert calls == ['STATIC / "page.css"']
