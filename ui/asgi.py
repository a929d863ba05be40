"""The page as an ASGI application: Streamlit, our own routes, and the guard around both."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import streamlit as st
from starlette.background import BackgroundTask
from starlette.datastructures import URL
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from ui.client import TIMEOUT, explain
from ui.configuration import configure
from ui.guard import Guard, Sessions, bearer, cookie_name, session_token
from ui.policy import content_security_policy
from ui.session import PLAIN_COOKIE, SECURE_COOKIE, connect_to
from ui.sign_in import sign_in_page

HERE = Path(__file__).parent
MAXIMUM_FORM_BYTES = 8_192

_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_EXPORTED = ("format", "payloads", "since", "until", "person", "type", "document")
"""What an export may be narrowed by."""
_SANDBOX = "default-src 'none'; sandbox"


def create_page(
    *,
    service_url: str,
    host_names: Sequence[str] = ("localhost", "127.0.0.1"),
    https: bool = False,
    transport: httpx.AsyncBaseTransport | None = None,
) -> ASGIApp:
    """Return the application; one in a process, since Streamlit keeps its settings globally.

    Args:
        service_url: Where the service listens.
        host_names: The names under which browsers reach the page; others are refused.
        https: The page is reached over https although requests arrive as http, behind a proxy
            that does not say so.
        transport: Stands in for the network in tests.
    """
    configure(host_names)
    connect_to(service_url)
    service = httpx.AsyncClient(
        base_url=service_url, timeout=TIMEOUT, transport=transport, trust_env=False
    )
    sessions = Sessions(service)
    routes = Routes(service, sessions, https=https)

    @asynccontextmanager
    async def lifespan(_: st.App) -> AsyncIterator[None]:
        async with service:
            yield

    return st.App(
        HERE / "app.py",
        routes=routes.all(),
        middleware=[
            Middleware(
                Guard,
                sessions=sessions,
                host_names=host_names,
                policy=content_security_policy(),
            )
        ],
        lifespan=lifespan,
    )


class Routes:
    """Our own paths: signing in and out, and what the service serves, behind the cookie."""

    def __init__(self, service: httpx.AsyncClient, sessions: Sessions, *, https: bool) -> None:
        self._service = service
        self._sessions = sessions
        self._https = https

    def all(self) -> list[BaseRoute]:
        """Return every route."""
        return [
            Route("/sign-in", self.sign_in, methods=["GET", "POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
            Route("/page/{version}/{number:int}.png", self.page_image),
            Route("/original/{version}", self.original),
            Route("/turn/{turn}/events", self.events),
            Route("/conversation/{conversation}/{format}", self.conversation),
            Route("/audit/export", self.export),
            Route("/ready", self.ready),
            Mount("/assets", StaticFiles(directory=HERE / "static")),
        ]

    async def sign_in(self, request: Request) -> Response:
        """Show the form, or exchange a name and a password for the session cookie."""
        if request.method != "POST":
            return HTMLResponse(sign_in_page())
        name, password = await _credentials(request)
        if not name or not password:
            return HTMLResponse(sign_in_page(name=name, alert="Type your name and password."), 400)
        try:
            response = await self._service.post(
                "/v1/session", json={"name": name, "password": password}
            )
        except httpx.HTTPError:
            alert = "The service is away. Try again in a moment."
            return HTMLResponse(sign_in_page(name=name, alert=alert), 503)
        if response.is_error:
            return HTMLResponse(sign_in_page(name=name, alert=_why(response)), response.status_code)
        answer = RedirectResponse("/", 303)
        self._set_cookie(answer, request.url, str(response.json()["token"]))
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session at the service and in the browser."""
        token = session_token(request)
        self._sessions.forget(token)
        if token:
            try:
                await self._service.delete("/v1/session", headers=bearer(token))
            except httpx.HTTPError:
                alert = "The service is away: the session ends here, and there when it times out."
                return _without_cookie(HTMLResponse(sign_in_page(alert=alert), 503))
        return _without_cookie(RedirectResponse("/sign-in", 303))

    async def page_image(self, request: Request) -> Response:
        """Pass on a page image with its span marked; the service checks the right to see it."""
        version, number = request.path_params["version"], request.path_params["number"]
        return await self._pass_on(
            request,
            f"/v1/versions/{version}/pages/{number}.png",
            version,
            parameters=_span(request),
        )

    async def original(self, request: Request) -> Response:
        """Pass on an original as a download: a browser must never run what a document holds."""
        version = request.path_params["version"]
        answer = await self._pass_on(request, f"/v1/versions/{version}/original", version)
        answer.headers["Content-Security-Policy"] = _SANDBOX
        disposition = answer.headers.get("content-disposition", "")
        if not disposition.lower().startswith("attachment"):
            _, _, parameters = disposition.partition(";")
            answer.headers["Content-Disposition"] = f"attachment;{parameters}".rstrip(";")
        return answer

    async def events(self, request: Request) -> Response:
        """Pass on the events of a turn as they come."""
        turn = request.path_params["turn"]
        return await self._pass_on(request, f"/v1/turns/{turn}/events", turn)

    async def conversation(self, request: Request) -> Response:
        """Pass on a conversation as a download, in the form that the address names."""
        conversation = request.path_params["conversation"]
        return await self._pass_on(
            request,
            f"/v1/conversations/{conversation}/export",
            conversation,
            parameters={"format": request.path_params["format"]},
        )

    async def export(self, request: Request) -> Response:
        """Pass on the record as a download, in the form and narrowed as the address says."""
        parameters = {
            name: value for name in _EXPORTED if (value := request.query_params.get(name, ""))
        }
        return await self._pass_on(request, "/v1/audit/export", "export", parameters=parameters)

    async def ready(self, _: Request) -> Response:
        """Tell whether questions can be asked, and nothing more: nobody has signed in."""
        try:
            response = await self._service.get("/ready")
        except httpx.HTTPError:
            return JSONResponse({"ready": False}, 503)
        ready = response.is_success and response.json().get("ready") is True
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def _pass_on(
        self,
        request: Request,
        path: str,
        identifier: str,
        *,
        parameters: Mapping[str, str] | None = None,
    ) -> Response:
        if not _IDENTIFIER.fullmatch(identifier):
            return PlainTextResponse("Not found.\n", 404)
        headers = bearer(session_token(request))
        if last := request.headers.get("last-event-id", ""):
            headers["Last-Event-ID"] = last
        outgoing = self._service.build_request("GET", path, params=parameters, headers=headers)
        try:
            response = await self._service.send(outgoing, stream=True)
        except httpx.HTTPError:
            return PlainTextResponse("The service is away.\n", 503)
        kept = {
            name: response.headers[name]
            for name in ("content-type", "content-disposition")
            if name in response.headers
        }
        return StreamingResponse(
            response.aiter_bytes(),
            response.status_code,
            kept,
            background=BackgroundTask(response.aclose),
        )

    def _set_cookie(self, answer: Response, url: URL, token: str) -> None:
        secure = self._https or url.scheme == "https"
        answer.set_cookie(
            cookie_name(secure=secure),
            token,
            path="/",
            httponly=True,
            samesite="strict",
            secure=secure,
        )


def _without_cookie(answer: Response) -> Response:
    for name in (PLAIN_COOKIE, SECURE_COOKIE):
        answer.delete_cookie(
            name, path="/", httponly=True, samesite="strict", secure=name == SECURE_COOKIE
        )
    return answer


def _why(response: httpx.Response) -> str:
    if response.status_code in {401, 422}:
        return "Name, password or code is wrong."
    return explain(response)


async def _credentials(request: Request) -> tuple[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAXIMUM_FORM_BYTES:
            return "", ""
    form = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True)
    return form.get("name", [""])[0].strip(), form.get("password", [""])[0]


def _span(request: Request) -> dict[str, str]:
    return {
        name: value
        for name in ("start", "end")
        if (value := request.query_params.get(name, "")).isdecimal()
    }
