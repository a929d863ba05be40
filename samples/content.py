"""The written content of the samples: front matter and a small part of Markdown."""

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WRITTEN = HERE / "content"
DOCUMENTS = HERE / "documents"
FENCE = "---\n"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 2 is a section (or a slide, or a sheet), level 3 a part of one."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a list, with its marker: a bullet or a number."""

    marker: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; the first row holds the column headers."""

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class PageBreak:
    """Starts a new page where the format has pages."""


Part = Heading | Paragraph | Item | Table | PageBreak


@dataclass(frozen=True, slots=True)
class Content:
    """One document as it was written.

    Attributes:
        target: Path below the documents folder; its suffix decides the format.
        fields: The front matter.
        body: The text after the front matter.
    """

    target: str
    fields: dict[str, str]
    body: str

    @property
    def parts(self) -> list[Part]:
        """The body, read as Markdown."""
        return read_parts(self.body)


def read_content(path: Path) -> Content:
    """Read one content file; its front matter must name a target."""
    text = path.read_text(encoding="utf-8")
    _, front, body = text.split(FENCE, 2)
    fields = dict(_field(line) for line in front.splitlines() if line.strip())
    return Content(target=fields["target"], fields=fields, body=body.strip() + "\n")


def read_all(folder: Path) -> list[Content]:
    """Read every content file below a folder, in order of target."""
    return sorted((read_content(path) for path in folder.rglob("*.md")), key=lambda c: c.target)


def read_parts(body: str) -> list[Part]:
    """Cut a body at its blank lines and read every piece."""
    parts: list[Part] = []
    for piece in re.split(r"\n\s*\n", body.strip()):
        parts.extend(_read_piece(piece.strip("\n")))
    return parts


def plain(text: str) -> str:
    """Take the marks of emphasis out of a text."""
    return text.replace("**", "")


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _read_piece(piece: str) -> list[Part]:
    lines = piece.splitlines()
    if lines[0].startswith("|"):
        return [_read_table(lines)]
    parts: list[Part] = []
    for line in lines:
        read = _read_line(line.strip())
        last = parts[-1] if parts else None
        if isinstance(read, Paragraph) and isinstance(last, Paragraph):
            parts[-1] = Paragraph(f"{last.text} {read.text}")
        else:
            parts.append(read)
    return parts


def _read_line(line: str) -> Part:
    if line == "\\pagebreak":
        return PageBreak()
    if heading := re.match(r"(#{2,4}) (.+)", line):
        return Heading(len(heading[1]), heading[2])
    if item := re.match(r"(-|\d+\.|\([a-z]+\)) (.+)", line):
        return Item("•" if item[1] == "-" else item[1], item[2])
    return Paragraph(line)


def _read_table(lines: list[str]) -> Table:
    rows = [tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines]
    return Table(tuple(row for row in rows if not all(set(cell) <= {"-", ":"} for cell in row)))
