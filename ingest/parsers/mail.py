"""E-mail: who wrote to whom, when and about what, then the message as people read it.

What is attached becomes documents of its own; here it is only named.
"""

import email
import email.policy
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

from corpus.documents import BlockKind, ParsedDocument
from ingest.building import DocumentBuilder
from ingest.decoding import decoded, marked_encoding, unmarked_wide_encoding
from ingest.errors import Quarantined
from ingest.parsers.html import add_html
from ingest.parsers.part_names import PartNames
from ingest.parsers.text import add_text
from ingest.parts import Part
from ingest.quarantine import Reason
from ingest.settings import Limits

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_SIGNATURES = frozenset(
    {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}
)
_SEALED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted"})


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read an RFC 822 message.

    Raises:
        Quarantined: Encrypted, or no text.
    """
    return document_of(_message_in(location))


def parts(location: Path, limits: Limits) -> list[Part]:
    """Return what is attached to an RFC 822 message.

    Raises:
        Quarantined: More is attached than allowed.
    """
    return attached_to(_message_in(location), limits)


def document_of(message: EmailMessage) -> ParsedDocument:
    """Return a message as a document.

    Raises:
        Quarantined: Encrypted, or no text.
    """
    if message.get_content_type() in _SEALED:
        raise Quarantined(Reason.ENCRYPTED, "the message is encrypted")
    headers = {name: _header(message, name) for name in _HEADERS}
    builder = DocumentBuilder()
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    lines += [f"Attachment: {name}" for name, _ in _attachments(message)]
    builder.add(BlockKind.PARAGRAPH, "\n".join(lines))
    _add_message(builder, message)
    properties = {"From": headers["From"], "To": headers["To"], "Date": _sent(message)}
    return builder.finish(title=headers["Subject"], properties=properties)


def attached_to(message: EmailMessage, limits: Limits) -> list[Part]:
    """Return the attachments of a message; one message forwarded in another is one of them.

    Raises:
        Quarantined: More is attached than allowed.
    """
    found: list[Part] = []
    left = limits.maximum_unpacked_bytes
    for name, attachment in _attachments(message):
        if len(found) >= limits.maximum_parts:
            raise Quarantined(Reason.TOO_LARGE, f"more than {limits.maximum_parts} attachments")
        data = _data(attachment)
        if len(data) > min(left, limits.maximum_file_bytes):
            found.append(Part(name, reason=Reason.TOO_LARGE, detail=f"{len(data)} bytes"))
            continue
        left -= len(data)
        found.append(Part(name, data))
    return found


def _message_in(location: Path) -> EmailMessage:
    data = location.read_bytes()
    if marked_encoding(data) or unmarked_wide_encoding(data):
        data = decoded(data).lstrip("\ufeff").encode()
    return email.message_from_bytes(data.lstrip(), policy=email.policy.default)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, IndexError, AttributeError, TypeError, LookupError):
        return ""  # the standard library stumbles over some malformed headers


def _sent(message: EmailMessage) -> str:
    """Return when a message was sent as ISO 8601 writes it, else as it says itself."""
    told = _header(message, "Date")
    try:
        sent = message["Date"].datetime
    except (ValueError, IndexError, AttributeError, TypeError):
        return told
    return sent.isoformat(sep=" ", timespec="minutes") if isinstance(sent, datetime) else told


def _attachments(message: EmailMessage) -> list[tuple[str, EmailMessage]]:
    """Return what is attached, each with a name of its own."""
    names = PartNames()
    body = _body_of(message)
    found = []
    for part in _leaves(message):
        if part is body or not _is_attached(part):
            continue
        told = part.get_filename() or ""
        inner = _forwarded(part)
        if inner is not None:
            told = f"{told or _header(inner, 'Subject') or 'message'}"
            told = told if told.lower().endswith(".eml") else f"{told.replace('/', '-')}.eml"
        found.append((names.safe(told, otherwise="attachment"), part))
    return found


def _leaves(message: EmailMessage) -> Iterator[EmailMessage]:
    """Yield the parts of a message that have no parts, not looking into forwarded messages."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        if part.is_multipart() and _forwarded(part) is None:
            held = part.get_payload()
            inner = held if isinstance(held, list) else []
            waiting += [each for each in reversed(inner) if isinstance(each, EmailMessage)]
        else:
            yield part


def _forwarded(part: EmailMessage) -> EmailMessage | None:
    """Return the message that a part carries, None when it carries none."""
    if part.get_content_type() != "message/rfc822" or not part.is_multipart():
        return None
    inner = part.get_payload(0)
    return inner if isinstance(inner, EmailMessage) else None


def _is_attached(part: EmailMessage) -> bool:
    """Say whether a part is a document that was sent along, rather than part of the message."""
    if part.get_content_type() in _SIGNATURES:
        return False
    if _forwarded(part) is not None:
        return True
    disposition = part.get_content_disposition()
    drawn_in_body = part.get_content_maintype() == "image" and part.get("Content-ID")
    if drawn_in_body and disposition != "attachment":
        return False
    return disposition == "attachment" or bool(part.get_filename())


def _data(part: EmailMessage) -> bytes:
    inner = _forwarded(part)
    if inner is not None:
        return inner.as_bytes()
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _body_of(message: EmailMessage) -> EmailMessage | None:
    body = message.get_body(preferencelist=("plain", "html"))
    return body if isinstance(body, EmailMessage) else None


def _add_message(builder: DocumentBuilder, message: EmailMessage) -> None:
    body = _body_of(message)
    if body is None:
        return
    data = _data(body)
    try:
        text = data.decode(body.get_content_charset("utf-8"))
    except (LookupError, UnicodeDecodeError):
        text = decoded(data)
    if body.get_content_type() == "text/html":
        add_html(builder, text)
    else:
        add_text(builder, text)
