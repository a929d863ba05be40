"""What the service says when it cannot do what was asked, and what every reply carries.

Every refusal is application/problem+json in the shape of `rag.contract.Problem`. None holds a
traceback, a document's text or what was sent.
"""

import logging
import traceback
from collections.abc import Collection, Mapping, MutableMapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audit.circumstances import within
from audit.errors import AuditError
from corpus.errors import CorpusError, OriginalMissing
from rag.contract import Problem
from rag.conversations import NOT_FOUND
from rag.errors import (
    KeptByHold,
    ModelBusy,
    ModelUnavailable,
    NotAllowed,
    NotFound,
    NotSignedIn,
    ProviderRefused,
    ProviderUnavailable,
    RagError,
    RecordUnavailable,
    SignInRefused,
    TooManyAttempts,
    Unusable,
)

log = logging.getLogger("rag.service")

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})

MAXIMUM_BODY_BYTES: Final = 256 * 1024
LARGEST_GROUP_BYTES: Final = 4 * 1024 * 1024
"""A group of some ten thousand members, as a directory pushes it."""
UPLOADS: Final = "/v1/ingestion/uploads/"
DIRECTORY: Final = "/scim/v2/"
"""The longest question, every character escaped, with room to spare."""

RECORD_AWAY: Final = (
    "The record cannot be written, so questions are refused and nothing is shown. "
    "The administrator must see to it: often the disk is full."
)
NOT_VOUCHED_FOR: Final = "The identity provider's answer was not accepted. Sign in again."
CORPUS_AWAY: Final = "The documents cannot be read at the moment. Try again in a minute."
UNEXPECTED: Final = (
    "Something went wrong on our side. Try again; if it happens again, tell the administrator."
)

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_STATUS_OF: Final[dict[type[RagError], int]] = {
    NotSignedIn: 401,
    SignInRefused: 401,
    ProviderRefused: 401,
    ProviderUnavailable: 503,
    NotAllowed: 403,
    NotFound: 404,
    TooManyAttempts: 429,
    ModelBusy: 503,
    ModelUnavailable: 503,
    RecordUnavailable: 503,
    Unusable: 422,
    KeptByHold: 409,
}


def problem(status: int, detail: str, *, title: str = "") -> Response:
    """Return a refusal as application/problem+json."""
    body = Problem(title=title or HTTPStatus(status).phrase, detail=detail, status=status)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Response(body.model_dump_json(), status, headers, media_type="application/problem+json")


def install_problems(app: FastAPI) -> None:
    """Let every error an application may raise end as a problem."""
    app.add_exception_handler(RagError, _on_rag_error)
    app.add_exception_handler(AuditError, _on_audit_error)
    app.add_exception_handler(CorpusError, _on_corpus_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(AnyHTTPException, _on_http_exception)


def _on_rag_error(_request: Request, error: Exception) -> Response:
    status = next((code for kind, code in _STATUS_OF.items() if isinstance(error, kind)), 500)
    if isinstance(error, NotFound):
        # One body for what does not exist and what is somebody else's.
        return problem(404, NOT_FOUND)
    if isinstance(error, ProviderRefused):
        # Why is on the record; whoever forged something learns nothing from us.
        return problem(401, NOT_VOUCHED_FOR)
    if isinstance(error, RecordUnavailable):
        return problem(503, RECORD_AWAY, title="The record is away")
    return problem(status, str(error), title="Busy" if isinstance(error, ModelBusy) else "")


def _on_audit_error(_request: Request, error: Exception) -> Response:
    log.error("record.unavailable error=%s", type(error).__name__)
    return problem(503, RECORD_AWAY, title="The record is away")


def _on_corpus_error(_request: Request, error: Exception) -> Response:
    log.error("corpus.unavailable error=%s", type(error).__name__)
    if isinstance(error, OriginalMissing):
        return problem(500, "The original is missing from the store. Tell the administrator.")
    return problem(503, CORPUS_AWAY)


def _on_invalid_request(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return problem(422, "The request is not valid.")
    sentences = [_sentence(fault) for fault in error.errors()[:3]]
    return problem(422, " ".join(sentences), title="Not valid")


def _sentence(fault: Mapping[str, object]) -> str:
    """Say what is wrong with one field; what was sent is left out, it may be a password."""
    location = fault.get("loc")
    parts = location if isinstance(location, tuple) else ()
    names = [str(part)[:60] for part in parts if part not in {"body", "query", "path", "header"}]
    what = str(fault.get("msg", "is not valid")).rstrip(".")
    if fault.get("type") == "json_invalid" or not names:
        return f"The request is not valid: {what}."
    return f"The field {'.'.join(names)!r} is not valid: {what}."


def _on_http_exception(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, AnyHTTPException) else 500
    if status == 404:
        return problem(404, NOT_FOUND)
    return problem(status, f"{HTTPStatus(status).phrase}.")


class Guard:
    """Checks the Host header and the size of bodies, sets headers, catches what nobody caught.

    Args:
        app: What is guarded.
        allowed_hosts: Names the service may be addressed by, besides the loopback ones. A page
            of a stranger that points its own name at this machine is turned away by this.
        largest_upload: Bytes of an uploaded file; every other body is small.
    """

    def __init__(
        self, app: ASGIApp, *, allowed_hosts: Collection[str] = (), largest_upload: int = 0
    ) -> None:
        self._app = app
        self._largest_upload = max(largest_upload, MAXIMUM_BODY_BYTES)
        self._hosts = LOOPBACK_NAMES | {host.lower() for host in allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: MutableMapping[str, object]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        most = self._most(scope)
        refusal = self._refusal(Headers(scope=scope), most)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
            return
        try:
            with within(**_circumstances(scope)):
                await self._app(scope, _limited(receive, most), send_with_headers)
        except Exception as error:  # noqa: BLE001 - the HTTP boundary
            _log_without_text(error)
            if not started:
                await problem(500, UNEXPECTED)(scope, receive, send_with_headers)

    def _most(self, scope: Scope) -> int:
        """Return how many bytes a request may bring."""
        if scope["method"] == "PUT" and scope["path"].startswith(UPLOADS):
            return self._largest_upload
        return LARGEST_GROUP_BYTES if scope["path"].startswith(DIRECTORY) else MAXIMUM_BODY_BYTES

    def _refusal(self, headers: Headers, most: int) -> Response | None:
        if _host_name(headers.get("host", "")) not in self._hosts:
            return problem(
                400,
                "The service is not known by this name. Add it to the allowed hosts, "
                "or use the address it printed at start.",
            )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            return problem(413, "The request is too large.")
        return None


def _circumstances(scope: Scope) -> dict[str, str]:
    """What is known of who sends a request, for the events that are recorded for it.

    A request from this machine is the page's: its address and its program say nothing about
    the person.
    """
    headers = Headers(scope=scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    known = {"session": token} if scheme.lower() == "bearer" and token else {}
    address = (scope.get("client") or ("", 0))[0]
    if address and address not in LOOPBACK_NAMES:
        known |= {"address": address, "user_agent": headers.get("user-agent", "")}
    return known


def _log_without_text(error: Exception) -> None:
    # The message of an unforeseen error may quote a document; where it arose may be logged.
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("request.failed error=%s\n%s", type(error).__name__, frames)


def _limited(receive: Receive, most: int) -> Receive:
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise HTTPException(413)  # the one kind that the framework lets through
        return message

    return receive_limited


def _host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()
