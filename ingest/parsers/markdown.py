"""Markdown, with its marks taken off: what a reader of the rendered page would read."""

from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from corpus.documents import BlockKind, ParsedDocument
from ingest.building import DocumentBuilder
from ingest.decoding import decoded
from ingest.settings import Limits


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read a Markdown file.

    Raises:
        Quarantined: Nothing but blank.
    """
    source, properties = _front_matter(decoded(location.read_bytes()))
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(source)
    builder = DocumentBuilder()
    _add_tokens(builder, tokens)
    return builder.finish(title=properties.get("title", ""), properties=properties)


def _front_matter(source: str) -> tuple[str, dict[str, str]]:
    """Split off ``name: value`` lines between two ``---`` lines at the top."""
    lines = source.splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in [line.strip() for line in lines[1:]]:
        return source, {}
    end = 1 + [line.strip() for line in lines[1:]].index("---")
    pairs = [line.split(":", 1) for line in lines[1:end] if ":" in line]
    properties = {name.strip().lower(): value.strip().strip("\"'") for name, value in pairs}
    return "\n".join(lines[end + 1 :]), properties


def _add_tokens(builder: DocumentBuilder, tokens: list[Token]) -> None:
    marks: list[str] = []
    rows: list[list[str]] = []
    for opener, token in zip([*tokens[:1], *tokens], tokens, strict=False):
        if token.type == "list_item_open":
            marks.append(f"{token.info}. " if token.info else "• ")
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "table_close":
            builder.add_table(rows)
            rows = []
        elif token.type in {"fence", "code_block"}:
            builder.add(BlockKind.PARAGRAPH, token.content)
        elif token.type == "inline" and opener.type in {"th_open", "td_open"}:
            rows[-1].append(_plain(token))
        elif token.type == "inline":
            _add_inline(builder, opener, token, marks)


def _add_inline(builder: DocumentBuilder, opener: Token, token: Token, marks: list[str]) -> None:
    if opener.type == "heading_open":
        builder.add(BlockKind.HEADING, _plain(token), level=int(opener.tag[1]))
    elif marks:
        builder.add(BlockKind.LIST_ITEM, marks.pop() + _plain(token))
    else:
        builder.add(BlockKind.PARAGRAPH, _plain(token))


def _plain(token: Token) -> str:
    parts = []
    for child in token.children or []:
        if child.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        else:
            parts.append(child.content)
    return "".join(parts)
