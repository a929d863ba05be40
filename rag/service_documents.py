"""Routes to documents: the library, page images, passages and originals. All pass the gate."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from starlette.responses import Response

from audit.events import DocumentDownloaded, DocumentViewed
from corpus.access import Principal
from corpus.documents import Box, Chunk, DocumentId, Version, VersionId, line_boxes
from corpus.errors import OriginalMissing
from rag.contract import DocumentDetail, DocumentList, DocumentSummary, PassageView
from rag.conversations import NOT_FOUND
from rag.errors import NotFound
from rag.service_parts import (
    InService,
    Reader,
    ServiceParts,
    Views,
    denials_recorded,
    readable_version,
)

PDF: Final = "application/pdf"

SURROUNDING_CHARACTERS: Final = 700
"""Shown before and after a marked passage."""

LONGEST_PASSAGE: Final = 20_000

Offset = Annotated[int, Query(ge=0, description="Offset in the version's text.")]

router = APIRouter()


@router.get("/v1/documents")
def list_documents(
    running: InService,
    principal: Reader,
    query: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> DocumentList:
    """List the documents that the asker may read, by title."""
    found, total = running.parts.catalog.readable_documents(
        principal, query=query, limit=limit, offset=offset
    )
    return DocumentList(
        documents=[_summary(each.version, each.source_name) for each in found], total=total
    )


@router.get("/v1/documents/{document_id}")
def show_document(running: InService, principal: Reader, document_id: str) -> DocumentDetail:
    """Show a document with its versions, newest first."""
    parts = running.parts
    with denials_recorded(parts, principal, f"document {document_id}"):
        versions = _readable_versions(parts, principal, DocumentId(document_id))
        source = parts.catalog.source_of(DocumentId(document_id)).name
        shown = next((version for version in versions if version.live), versions[0])
        return DocumentDetail(
            document=_summary(shown, source),
            versions=[_summary(version, source) for version in versions],
            properties=parts.catalog.properties_of(shown.version_id),
            readable_by=sorted(parts.catalog.document_groups(DocumentId(document_id))),
        )


@router.get("/v1/versions/{version_id}/pages/{number}.png", response_class=Response)
def show_page(
    running: InService,
    principal: Reader,
    version_id: str,
    number: int,
    *,
    start: Offset = 0,
    end: Offset = 0,
) -> Response:
    """Show a page (from 0) as a PNG image, a span of the text marked."""
    parts = running.parts
    with denials_recorded(parts, principal, f"page {number} of version {version_id}"):
        version = readable_version(parts, principal, version_id)
        if not 0 <= number < version.page_count:
            raise NotFound(NOT_FOUND)
        _record_view(running.views, parts, principal, version.version_id, number)
        picture = running.pictures.picture(
            version.version_id,
            number,
            _marks(parts, version, number, start, end),
            read_pdf=lambda: _pages_of(parts, version),
        )
    return Response(picture, media_type="image/png")


@router.get("/v1/versions/{version_id}/passage")
def show_passage(
    running: InService, principal: Reader, version_id: str, start: Offset, end: Offset
) -> PassageView:
    """Show a span with the text around it."""
    parts = running.parts
    with denials_recorded(parts, principal, f"passage of version {version_id}"):
        version = readable_version(parts, principal, version_id)
        text = parts.catalog.text_of(version.version_id)
        if not start < end <= len(text) or end - start > LONGEST_PASSAGE:
            raise NotFound(NOT_FOUND)
        chunk = _chunk_at(parts, principal, version.version_id, start)
        page = chunk.page if chunk else None
        _record_view(running.views, parts, principal, version.version_id, page)
    return PassageView(
        title=version.title,
        heading_path=list(chunk.heading_path) if chunk else [],
        place=chunk.place if chunk else "",
        before=_from_word(text[max(0, start - SURROUNDING_CHARACTERS) : start], start),
        marked=text[start:end],
        after=_to_word(text[end : end + SURROUNDING_CHARACTERS], len(text) - end),
        page_count=version.page_count,
    )


@router.get("/v1/versions/{version_id}/original", response_class=FileResponse)
def download_original(running: InService, principal: Reader, version_id: str) -> Response:
    """Hand out the original, as a download that no browser opens by itself."""
    parts = running.parts
    with denials_recorded(parts, principal, f"original of version {version_id}"):
        version = readable_version(parts, principal, version_id)
    path = parts.originals.path(version.original)
    if not path.is_file():
        raise OriginalMissing("The original is missing.")
    parts.record.append(DocumentDownloaded(principal.name, version.version_id))
    return FileResponse(
        path,
        media_type=version.media_type,
        filename=PurePosixPath(version.path).name,
        content_disposition_type="attachment",
    )


def _record_view(
    views: Views,
    parts: ServiceParts,
    principal: Principal,
    version_id: VersionId,
    page: int | None,
) -> None:
    key, now = (principal.name, version_id, page), parts.clock()
    if views.is_new(key, now):
        parts.record.append(DocumentViewed(principal.name, version_id, page))
        views.remember(key, now)


def _readable_versions(
    parts: ServiceParts, principal: Principal, document_id: DocumentId
) -> list[Version]:
    """Return a document's versions that passed the gate, newest first; NotFound without any."""
    readable = [
        version
        for version in parts.catalog.versions_of(document_id)
        if parts.gate.may_read(principal, version.version_id)
    ]
    if not readable:
        raise NotFound(NOT_FOUND)
    return sorted(readable, key=lambda version: version.number, reverse=True)


def _chunk_at(
    parts: ServiceParts, principal: Principal, version_id: VersionId, start: int
) -> Chunk | None:
    authorized = parts.gate.authorize(principal, parts.catalog.chunks_of(version_id))
    chunks = [each.found.chunk for each in authorized]
    return next((chunk for chunk in chunks if chunk.start <= start < chunk.end), None)


def _pages_of(parts: ServiceParts, version: Version) -> bytes:
    """Return the PDF whose pages the version's words stand on: itself or its rendition."""
    if version.media_type == PDF:
        return parts.originals.read(version.original)
    try:
        return parts.originals.rendition_path(version.original).read_bytes()
    except OSError as error:
        raise NotFound(NOT_FOUND) from error


def _marks(
    parts: ServiceParts, version: Version, number: int, start: int, end: int
) -> Sequence[Box]:
    if end <= start:
        return []
    words = parts.catalog.words_of(version.version_id, first_page=number, last_page=number)
    return line_boxes(words, start, end)


def _from_word(text: str, available: int) -> str:
    """Drop the piece of a word that a cut text begins with."""
    return text if available <= SURROUNDING_CHARACTERS else text.partition(" ")[2]


def _to_word(text: str, available: int) -> str:
    """Drop the piece of a word that a cut text ends with."""
    return text if available <= SURROUNDING_CHARACTERS else text.rpartition(" ")[0]


def _summary(version: Version, source: str) -> DocumentSummary:
    return DocumentSummary(
        document_id=version.document_id,
        version_id=version.version_id,
        version_number=version.number,
        title=version.title,
        path=version.path,
        source=source,
        media_type=version.media_type,
        page_count=version.page_count,
        published_at=version.published_at,
    )
