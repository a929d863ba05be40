"""Routes for privacy officers: what is kept by and about a person, for that person."""

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from audit.subject_access import Subject, write_subject_access
from rag.contract import Conversation
from rag.conversations import NOT_FOUND
from rag.errors import NotFound
from rag.service_parts import InService, PrivacyOfficer, ServiceParts, denials_recorded

FOLDER: Final = "subject-access"

router = APIRouter()


@router.get("/v1/privacy/subject-access", response_class=Response)
def export_subject_access(
    running: InService,
    officer: PrivacyOfficer,
    person: Annotated[str, Query(min_length=1, max_length=200)],
) -> Response:
    """Hand out what is kept by and about a person, each entry with its proof, as one archive.

    Other people's names are left out, and so is what was read for answers: it is for the person,
    and the role gives no right to documents.
    """
    parts = running.parts
    known = [account.name for account in parts.identity.accounts()]
    with denials_recorded(parts, officer, f"data of {person}"):
        names = [name for name in known if name.casefold() == person.strip().casefold()]
        if not names:
            raise NotFound(NOT_FOUND)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / FOLDER
        write_subject_access(
            parts.record,
            Subject(names, others=known),
            folder,
            by=officer.name,
            further={"conversations.json": _conversations(parts, names[0])},
        )
        archive = _zipped(folder)
    return Response(
        archive,
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{FOLDER}.zip"'},
    )


def _conversations(parts: ServiceParts, name: str) -> bytes:
    found = [
        _of_the_person(parts.conversations.conversation(name, one.conversation_id))
        for one in parts.conversations.summaries(name)
        if not one.shared_by
    ]
    return json.dumps(found, ensure_ascii=False, indent=1).encode()


def _of_the_person(conversation: Conversation) -> dict[str, object]:
    """Return a conversation as the person's own data: what was asked, and when."""
    return {
        "title": conversation.title,
        "questions": [
            {"asked_at": turn.asked_at.isoformat(), "question": turn.question}
            for turn in conversation.turns
        ],
    }


def _zipped(folder: Path) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, Path(FOLDER) / path.relative_to(folder))
    return written.getvalue()
