"""Routes to documents: the library, page images, passages and originals. All pass the gate."""

from pathlib import PurePosixPath
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from starlette.responses import Response

from audit.events import AccessExplained, DocumentDownloaded, DocumentViewed
from corpus.access import AuthorizedVersion, Principal
from corpus.documents import DocumentId, Version, VersionId
from corpus.permissions import Weighed
from rag import opened
from rag.contract import (
    AccessExplanation,
    AccessGround,
    DocumentDetail,
    DocumentList,
    DocumentSummary,
    PassageView,
    Role,
)
from rag.conversations import NOT_FOUND
from rag.errors import NotFound, UnknownAccount
from rag.service_parts import (
    Explainer,
    InService,
    Reader,
    ServiceParts,
    Views,
    denials_recorded,
    readable_version,
)

MARKING_HEADER: Final = "X-Muniment-Marking"

SURROUNDING_CHARACTERS: Final = 700
"""On each side of a passage in a document without headings."""
SECTION_CHARACTERS: Final = 6_000
"""Of its section, on each side of a passage."""

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
        wanted = DocumentId(document_id)
        versions = _readable_versions(parts, principal, wanted)
        source = parts.catalog.source_of(wanted).name
        shown = next((one for one in versions if one.version.live), versions[0])
        return DocumentDetail(
            document=_summary(shown.version, source),
            versions=[_summary(one.version, source) for one in versions],
            properties=opened.properties_of(parts.catalog, shown),
            readable_by=sorted(parts.catalog.document_groups(wanted)),
            why=parts.catalog.explain(principal, wanted).sentence,
            may_explain=_may_explain(parts, principal, wanted),
        )


@router.get("/v1/documents/{document_id}/access")
def explain_access(
    running: InService,
    principal: Explainer,
    document_id: str,
    person: Annotated[str, Query(min_length=1, max_length=200)],
) -> AccessExplanation:
    """Say why somebody can read a document or cannot: for auditors and the source's owners."""
    parts, wanted = running.parts, DocumentId(document_id)
    with denials_recorded(parts, principal, f"access to document {document_id}"):
        if not _may_explain(parts, principal, wanted):
            raise NotFound(NOT_FOUND)
        try:
            asked = parts.identity.principal_named(person)
        except UnknownAccount as error:
            raise NotFound(NOT_FOUND) from error
        explained = parts.catalog.explain(asked, wanted)
    parts.record.append(
        AccessExplained(principal.name, asked.name, document_id, may_read=explained.may_read)
    )
    return AccessExplanation(
        person=asked.name,
        document_id=document_id,
        path=explained.path,
        source=explained.source,
        may_read=explained.may_read,
        sentence=explained.sentence,
        marking=explained.marking,
        cleared=explained.cleared,
        grounds=[_ground(one) for one in explained.weighed],
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
        readable = readable_version(parts, principal, version_id)
        version = readable.version
        if not 0 <= number < version.page_count:
            raise NotFound(NOT_FOUND)
        _record_view(running.views, parts, principal, version.version_id, number)
        picture = running.pictures.picture(
            version.version_id,
            number,
            opened.marks_of(parts.catalog, readable, number, start, end),
            read_pdf=lambda: opened.pages_of(parts.originals, readable),
        )
    return Response(picture, media_type="image/png", headers=_marking_header(version))


@router.get("/v1/versions/{version_id}/passage")
def show_passage(
    running: InService, principal: Reader, version_id: str, start: Offset, end: Offset
) -> PassageView:
    """Show a span within its section, or with the text around it where there are no headings."""
    parts = running.parts
    with denials_recorded(parts, principal, f"passage of version {version_id}"):
        readable = readable_version(parts, principal, version_id)
        version, text = readable.version, opened.text_of(parts.catalog, readable)
        if not start < end <= len(text) or end - start > LONGEST_PASSAGE:
            raise NotFound(NOT_FOUND)
        chunk = opened.chunk_at(parts.catalog, parts.gate, principal, readable, start)
        section = opened.section_around(parts.catalog, readable, start)
        page = chunk.page if chunk else None
        _record_view(running.views, parts, principal, version.version_id, page)
    before, after = _around(text, start, end, section)
    return PassageView(
        title=version.title,
        heading_path=list(chunk.heading_path) if chunk else [],
        place=chunk.place if chunk else "",
        before=before,
        marked=text[start:end],
        after=after,
        page_count=version.page_count,
        marking=version.marking,
        suspicions=sorted({one.kind for one in chunk.suspicions}) if chunk else [],
    )


@router.get("/v1/versions/{version_id}/original", response_class=FileResponse)
def download_original(running: InService, principal: Reader, version_id: str) -> Response:
    """Hand out the original, as a download that no browser opens by itself."""
    parts = running.parts
    with denials_recorded(parts, principal, f"original of version {version_id}"):
        readable = readable_version(parts, principal, version_id)
    version, path = readable.version, opened.original_of(parts.originals, readable)
    parts.record.append(DocumentDownloaded(principal.name, version.version_id))
    return FileResponse(
        path,
        media_type=version.media_type,
        filename=PurePosixPath(version.path).name,
        content_disposition_type="attachment",
        headers=_marking_header(version),
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
) -> list[AuthorizedVersion]:
    """Return a document's versions that passed the gate, newest first; NotFound without any."""
    versions = sorted(
        parts.catalog.versions_of(document_id), key=lambda version: version.number, reverse=True
    )
    passed = (parts.gate.open_version(principal, version) for version in versions)
    readable = [version for version in passed if version is not None]
    if not readable:
        raise NotFound(NOT_FOUND)
    return readable


def _may_explain(parts: ServiceParts, principal: Principal, document_id: DocumentId) -> bool:
    return Role.AUDITOR in principal.roles or parts.catalog.owns(principal, document_id)


def _ground(weighed: Weighed) -> AccessGround:
    ground = weighed.ground
    return AccessGround(
        effect=ground.effect.value,
        principal=f"{ground.principal.kind} {ground.principal.name}",
        place=ground.place,
        through=list(weighed.through),
        expires_at=ground.expires_at,
        decided=weighed.decided,
    )


def _marking_header(version: Version) -> dict[str, str]:
    """Return the marking as a header; a marking that HTTP cannot carry is written in escapes."""
    return {MARKING_HEADER: quote(version.marking, safe=" -,.()")} if version.marking else {}


def _around(text: str, start: int, end: int, section: tuple[int, int] | None) -> tuple[str, str]:
    """Return what stands before and after a span in its section; of a long one the nearer part."""
    if section is None:
        section, most = (0, len(text)), SURROUNDING_CHARACTERS
    else:
        most = SECTION_CHARACTERS
    first, last = min(section[0], start), max(section[1], end)
    before, after = text[first:start], text[end:last]
    # A cut text loses the piece of a word that it begins or ends with.
    return (
        before if len(before) <= most else before[-most:].partition(" ")[2],
        after if len(after) <= most else after[:most].rpartition(" ")[0],
    )


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
        marking=version.marking,
    )
