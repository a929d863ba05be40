"""Messages as Outlook saves them, read as the e-mail they are."""

from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from email.policy import default as plain_policy
from email.utils import format_datetime
from pathlib import Path

from oxmsg import Message
from oxmsg.attachment import Attachment
from oxmsg.domain import constants
from oxmsg.properties import Properties
from oxmsg.storage import Storage

from corpus.documents import ParsedDocument
from ingest.errors import Quarantined
from ingest.parsers import mail
from ingest.parts import Part
from ingest.quarantine import Reason
from ingest.settings import Limits

_EMBEDDED = "__substg1.0_3701000D"
"""The storage of a message that is attached as such."""
_EMBEDDED_HEADER_BYTES = 24
_SEALED_CLASSES = ("IPM.NOTE.SMIME", "IPM.NOTE.RPMSG")
_CLEAR_SIGNED = "IPM.NOTE.SMIME.MULTIPARTSIGNED"
_NO_WRAPPING = 1_000_000
_RECIPIENT_TYPE = 0x0C15
_RECIPIENTS = {1: "To", 2: "Cc"}


class _EmbeddedMessage(Message):
    """A message inside another one, whose list of properties starts elsewhere."""

    @property
    def properties(self) -> Properties:
        return Properties(self._storage, properties_header_offset=_EMBEDDED_HEADER_BYTES)


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read an Outlook message.

    Raises:
        Quarantined: Encrypted, damaged, or no text.
    """
    return mail.document_of(_mail_in(location))


def parts(location: Path, limits: Limits) -> list[Part]:
    """Return what is attached to an Outlook message.

    Raises:
        Quarantined: Damaged, or more is attached than allowed.
    """
    return mail.attached_to(_mail_in(location), limits)


def _mail_in(location: Path) -> EmailMessage:
    try:
        return _as_mail(Message.load(location.read_bytes()))
    except Quarantined:
        raise
    except Exception as error:
        # olefile and oxmsg raise whatever a broken structure makes them stumble over.
        raise Quarantined(Reason.DAMAGED, f"not a whole message: {type(error).__name__}") from error


def _as_mail(message: Message) -> EmailMessage:
    kind = (message.message_class or "").upper()
    if kind.startswith(_SEALED_CLASSES) and not kind.startswith(_CLEAR_SIGNED):
        raise Quarantined(Reason.ENCRYPTED, "the message is encrypted")
    made = EmailMessage(policy=plain_policy.clone(max_line_length=_NO_WRAPPING))
    sent = message.sent_date
    recipients = _recipients(message)
    for name, value in (
        ("From", message.sender or ""),
        ("To", recipients["To"]),
        ("Cc", recipients["Cc"]),
        ("Date", format_datetime(sent) if isinstance(sent, datetime) else ""),
        ("Subject", message.subject),
    ):
        if value.strip():
            made[name] = " ".join(value.split())
    _set_body(made, message)
    for attachment in _attachments(message):
        _attach(made, attachment)
    return made


def _recipients(message: Message) -> dict[str, str]:
    found: dict[str, list[str]] = {"To": [], "Cc": []}
    for recipient in message.recipients:
        line = _RECIPIENTS.get(recipient.properties.int_prop_value(_RECIPIENT_TYPE) or 1)
        if line:
            name, address = (recipient.name or "").strip(), (recipient.email_address or "").strip()
            found[line].append(f"{name} <{address}>" if name and address else name or address)
    return {line: ", ".join(people) for line, people in found.items()}


def _set_body(made: EmailMessage, message: Message) -> None:
    plain, web = message.body or "", message.html_body or ""
    if plain.strip():
        made.set_content(_encodable(plain))
    if web.strip() and not plain.strip():
        made.set_content(_encodable(web), subtype="html")
    elif web.strip():
        made.add_alternative(_encodable(web), subtype="html")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _attachments(message: Message) -> Iterator[Attachment]:
    body = message.html_body or ""
    for attachment in message.attachments:
        told = attachment.properties
        shown = told.str_prop_value(constants.PID_ATTACH_CONTENT_ID)
        drawn_in_body = bool(shown) and f"cid:{shown}" in body
        if not drawn_in_body and not told.int_prop_value(constants.PID_ATTACHMENT_HIDDEN):
            yield attachment


def _attach(made: EmailMessage, attachment: Attachment) -> None:
    name = attachment.file_name or attachment.properties.str_prop_value(
        constants.PID_ATTACH_FILENAME
    )
    inner = _storage_within(attachment)
    if inner is not None:
        made.add_attachment(_as_mail(_EmbeddedMessage(inner)))
        return
    kind, _, subkind = (attachment.mime_type or "").partition("/")
    known = kind.isalpha() and subkind and kind not in {"multipart", "message"}
    made.add_attachment(
        attachment.file_bytes or b"",
        maintype=kind if known else "application",
        subtype=subkind if known else "octet-stream",
        filename=" ".join((name or "attachment").split()),
    )


def _storage_within(attachment: Attachment) -> Storage | None:
    held = attachment._storage  # noqa: SLF001 - oxmsg shows no embedded messages
    storages = held.storages if isinstance(held, Storage) else ()
    return next((each for each in storages if each.name == _EMBEDDED), None)
