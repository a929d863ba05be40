"""E-mail: who wrote to whom, when and about what, then the message as people read it."""

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

from corpus.documents import BlockKind, ParsedDocument
from ingest.building import DocumentBuilder
from ingest.parsers.html import add_html
from ingest.parsers.text import add_text, decoded
from ingest.settings import Limits

_HEADERS = ("From", "To", "Cc", "Date", "Subject")


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read an RFC 822 message. Attachments are named, not read.

    Raises:
        Quarantined: No text.
    """
    data = location.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = decoded(data).encode()
    message = email.message_from_bytes(data, policy=email.policy.default)
    headers = {name: _header(message, name) for name in _HEADERS}
    builder = DocumentBuilder()
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    lines += [f"Attachment: {name}" for name in _attachments(message)]
    builder.add(BlockKind.PARAGRAPH, "\n".join(lines))
    _add_message(builder, message)
    properties = {name: headers[name] for name in ("From", "To", "Date")}
    return builder.finish(title=headers["Subject"], properties=properties)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, IndexError, AttributeError, TypeError):
        return ""  # the standard library stumbles over some malformed headers


def _attachments(message: EmailMessage) -> list[str]:
    return [name for part in message.walk() if (name := part.get_filename())]


def _add_message(builder: DocumentBuilder, message: EmailMessage) -> None:
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return
    payload = body.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = body.get_content_charset("utf-8")
    try:
        text = data.decode(charset)
    except (LookupError, UnicodeDecodeError):
        text = decoded(data)
    if body.get_content_type() == "text/html":
        add_html(builder, text)
    else:
        add_text(builder, text)
