"""Render the written content into the sample documents: `python -m samples.generate`."""

import html
import sys
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from samples.content import (
    DOCUMENTS,
    HERE,
    WRITTEN,
    Content,
    Heading,
    Item,
    Paragraph,
    Table,
    plain,
    read_all,
)
from samples.office import render_docx, render_pptx, render_xlsx
from samples.paper import FIRM, render_pdf, render_scan


def generate(folder: Path) -> list[Path]:
    """Write every sample document below a folder; the same content gives the same bytes."""
    written = []
    for content in read_all(WRITTEN):
        path = folder / content.target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render(content))
        written.append(path)
    return written


def render(content: Content) -> bytes:
    """Render one document in the format that its target's suffix names."""
    if content.fields.get("scan") == "yes":
        return render_scan(content)
    return _RENDERERS[Path(content.target).suffix](content)


def _render_html(content: Content) -> bytes:
    title = html.escape(content.fields["title"])
    lines = [
        "<!doctype html>",
        '<html lang="en-GB"><head><meta charset="utf-8">',
        f"<title>{title}</title></head>",
        f"<body><nav>{FIRM} intranet</nav><main><h1>{title}</h1>",
    ]
    for part in content.parts:
        match part:
            case Heading(level, text):
                lines.append(f"<h{level}>{html.escape(text)}</h{level}>")
            case Paragraph(text):
                lines.append(f"<p>{html.escape(plain(text))}</p>")
            case Item(_, text):
                lines.append(f"<ul><li>{html.escape(plain(text))}</li></ul>")
            case Table(rows):
                lines.append("<table>")
                lines.append(_html_row(rows[0], "th"))
                lines.extend(_html_row(row, "td") for row in rows[1:])
                lines.append("</table>")
    lines.append("</main></body></html>\n")
    return "\n".join(lines).encode()


def _html_row(row: tuple[str, ...], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"


def _render_mail(content: Content) -> bytes:
    message = EmailMessage(policy=SMTP)
    for header in ("from", "to", "cc", "date", "subject"):
        if header in content.fields:
            message[header.capitalize()] = content.fields[header]
    message["Message-ID"] = f"<{content.fields['reference']}@aldermoorfinch.example>"
    message.set_content(content.body, cte="quoted-printable")
    return message.as_bytes()


def _render_markdown(content: Content) -> bytes:
    return f"# {content.fields['title']}\n\n{content.body}".encode()


def _render_text(content: Content) -> bytes:
    return f"{content.fields['title'].upper()}\n\n{content.body}".encode()


_RENDERERS: dict[str, Callable[[Content], bytes]] = {
    ".pdf": render_pdf,
    ".docx": render_docx,
    ".xlsx": render_xlsx,
    ".pptx": render_pptx,
    ".html": _render_html,
    ".eml": _render_mail,
    ".md": _render_markdown,
    ".txt": _render_text,
}


if __name__ == "__main__":
    sys.stdout.writelines(f"{path.relative_to(HERE)}\n" for path in generate(DOCUMENTS))
