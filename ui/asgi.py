"""The page as an ASGI application: Streamlit, our own routes, and the guard around both."""

import re
import secrets
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
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from rag.contract import FactorBegun, FactorState, RecoveryCodes, SignInWays
from ui.client import TIMEOUT, explain
from ui.configuration import configure
from ui.guard import (
    Guard,
    PublicRoute,
    Sessions,
    SignedInRoute,
    bearer,
    cookie_name,
    session_token,
)
from ui.policy import content_security_policy
from ui.session import PLAIN_COOKIE, SECURE_COOKIE, connect_to
from ui.sign_in import (
    begin_page,
    confirm_page,
    leaving_page,
    recovery_page,
    remove_page,
    removed_page,
    set_up_page,
    sign_in_page,
    welcome_page,
)

HERE = Path(__file__).parent
MAXIMUM_FORM_BYTES = 8_192

_AWAY = "The service is away. Try again in a moment."
_FACTOR_STEPS = {
    "begin": ("/v1/second-factor", "password"),
    "confirm": ("/v1/second-factor/confirmation", "code"),
    "remove": ("/v1/second-factor/removal", "code"),
}
"""Steps of the form, with the path and the field each goes to."""

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
                open_paths=routes.open_paths(),
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
        """Return every route; each is public or for whoever is signed in."""
        return [
            PublicRoute("/sign-in", self.sign_in, methods=["GET", "POST"]),
            PublicRoute("/sign-in/provider", self.begin_at_provider),
            PublicRoute("/sign-in/back", self.back_from_provider),
            PublicRoute("/sign-in/back-channel", self.back_channel, methods=["POST"]),
            PublicRoute("/set-up", self.set_up, methods=["GET", "POST"]),
            PublicRoute("/sign-out", self.sign_out, methods=["POST"]),
            PublicRoute("/ready", self.ready),
            SignedInRoute("/second-factor", self.second_factor, methods=["GET", "POST"]),
            SignedInRoute("/page/{version}/{number:int}.png", self.page_image),
            SignedInRoute("/original/{version}", self.original),
            SignedInRoute("/turn/{turn}/events", self.events),
            SignedInRoute("/conversation/{conversation}/{format}", self.conversation),
            SignedInRoute("/audit/export", self.export),
            Mount("/assets", StaticFiles(directory=HERE / "static")),
        ]

    def open_paths(self) -> frozenset[str]:
        """Return the paths that everybody may take."""
        return frozenset(one.path for one in self.all() if isinstance(one, PublicRoute))

    async def sign_in(self, request: Request) -> Response:
        """Show the form, or exchange a name and a password for the session cookie."""
        ways = await self._ways()
        if request.method != "POST":
            if ways.set_up:
                return RedirectResponse("/set-up", 303)
            return HTMLResponse(sign_in_page(provider=ways.provider))
        form = await _form(request)
        name, code = form.get("name", "").strip(), form.get("code", "").strip()

        def again(alert: str, status: int) -> Response:
            page = sign_in_page(
                name=name, alert=alert, provider=ways.provider, with_code=bool(code)
            )
            return HTMLResponse(page, status)

        if not name or not form.get("password"):
            return again("Type your name and password.", 400)
        given = {"name": name, "password": form["password"], "code": code}
        given["address"] = request.client.host if request.client else ""
        response = await self._post("/v1/session", given)
        if response is None:
            return again(_AWAY, 503)
        if response.is_error:
            return again(_why(response), response.status_code)
        answer = RedirectResponse("/", 303)
        self._set_cookie(answer, request.url, str(response.json()["token"]))
        return answer

    async def set_up(self, request: Request) -> Response:
        """Show the form for the first account, or make it."""
        if not (await self._ways()).set_up:
            return RedirectResponse("/sign-in", 303)
        if request.method != "POST":
            return HTMLResponse(set_up_page())
        form = await _form(request)
        given = {name: form.get(name, "").strip() for name in ("code", "name")}
        given["password"] = form.get("password", "")
        response = await self._post("/v1/set-up", given)
        if response is None or response.is_error:
            refused = response is not None and response.status_code == 401
            alert = "The set-up code is wrong, used or too old." if refused else _told(response)
            status = 503 if response is None else response.status_code
            return HTMLResponse(set_up_page(name=given["name"], alert=alert), status)
        answer = RedirectResponse("/second-factor", 303)
        self._set_cookie(answer, request.url, str(response.json()["token"]))
        return answer

    async def second_factor(self, request: Request) -> Response:
        """Set up an authenticator in two steps, or give it up."""
        token = session_token(request)
        state = await self._get("/v1/second-factor", token)
        if state is None or state.is_error:
            return PlainTextResponse(f"{_told(state)}\n", 503 if state is None else 403)
        known = FactorState.model_validate_json(state.content)
        form = await _form(request) if request.method == "POST" else {}
        step = form.get("step", "")
        if step not in _FACTOR_STEPS:
            shown = remove_page() if known.set_up else begin_page(needed_for=known.needed_for)
            return HTMLResponse(shown)
        path, field = _FACTOR_STEPS[step]
        reply = await self._post(path, {field: form.get(field, "").strip()}, token)
        self._sessions.forget(token)
        if reply is None or reply.is_error:
            wrong = reply is not None and reply.status_code in {401, 422}
            alert = "That was not right. Begin again." if wrong else _told(reply)
            page = remove_page(alert=alert) if known.set_up else begin_page(alert=alert)
            return HTMLResponse(page, 503 if reply is None else reply.status_code)
        return HTMLResponse(_after(step, reply))

    async def begin_at_provider(self, request: Request) -> Response:
        """Send the browser to the identity provider, with a secret of its own in a cookie."""
        browser = secrets.token_urlsafe(32)
        response = await self._post("/v1/provider/begin", {"browser": browser})
        if response is None or response.is_error:
            ways = await self._ways()
            page = sign_in_page(alert=_told(response), provider=ways.provider)
            return HTMLResponse(page, 503)
        answer = RedirectResponse(str(response.json()["address"]), 303)
        secure = self._secure(request.url)
        answer.set_cookie(
            _attempt_cookie(secure=secure),
            browser,
            max_age=600,
            path="/",
            httponly=True,
            samesite="lax",  # the provider sends the browser back from another site
            secure=secure,
        )
        return answer

    async def back_from_provider(self, request: Request) -> Response:
        """Exchange what the provider's answer stands for against the session cookie."""
        secure = self._secure(request.url)
        name = _attempt_cookie(secure=secure)
        given = {
            "state": request.query_params.get("state", ""),
            "code": request.query_params.get("code", ""),
            "issuer": request.query_params.get("iss", ""),
            "browser": request.cookies.get(name, ""),
        }
        response = await self._post("/v1/provider/finish", given)
        if response is None or response.is_error:
            ways = await self._ways()
            status = 503 if response is None else response.status_code
            alert = _told(response) if status != 422 else "This answer was not accepted."
            page = sign_in_page(alert=alert, provider=ways.provider)
            answer: Response = HTMLResponse(page, status)
        else:
            answer = HTMLResponse(welcome_page())
            self._set_cookie(answer, request.url, str(response.json()["token"]))
        answer.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=secure)
        return answer

    async def back_channel(self, request: Request) -> Response:
        """Take a logout that the provider sends by itself."""
        form = await _form(request)
        given = {"logout_token": form.get("logout_token", "")}
        response = await self._post("/v1/provider/logout", given)
        if response is None or response.is_server_error:
            return PlainTextResponse("Try again.\n", 503)
        return PlainTextResponse("", 200 if response.is_success else 400)

    async def sign_out(self, request: Request) -> Response:
        """End the session at the service and in the browser."""
        token = session_token(request)
        self._sessions.forget(token)
        if token:
            try:
                ended = await self._service.delete("/v1/session", headers=bearer(token))
            except httpx.HTTPError:
                alert = "The service is away: the session ends here, and there when it times out."
                return _without_cookie(HTMLResponse(sign_in_page(alert=alert), 503))
            if ended.status_code == httpx.codes.OK:
                return _without_cookie(HTMLResponse(leaving_page(str(ended.json()["address"]))))
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

    async def _ways(self) -> SignInWays:
        """Return how one may sign in; with a password where the service does not say."""
        response = await self._get("/v1/sign-in")
        if response is None or response.is_error:
            return SignInWays(set_up=False)
        return SignInWays.model_validate_json(response.content)

    async def _get(self, path: str, token: str = "") -> httpx.Response | None:
        try:
            return await self._service.get(path, headers=bearer(token) if token else None)
        except httpx.HTTPError:
            return None

    async def _post(
        self, path: str, given: Mapping[str, str], token: str = ""
    ) -> httpx.Response | None:
        try:
            return await self._service.post(
                path, json=dict(given), headers=bearer(token) if token else None
            )
        except httpx.HTTPError:
            return None

    def _secure(self, url: URL) -> bool:
        return self._https or url.scheme == "https"

    def _set_cookie(self, answer: Response, url: URL, token: str) -> None:
        secure = self._secure(url)
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


def _told(response: httpx.Response | None) -> str:
    return _AWAY if response is None else explain(response)


def _after(step: str, reply: httpx.Response) -> str:
    """Return the page that follows a step which went well."""
    if step == "begin":
        begun = FactorBegun.model_validate_json(reply.content)
        return confirm_page(secret=begun.secret, address=begun.address)
    if step == "confirm":
        return recovery_page(RecoveryCodes.model_validate_json(reply.content).codes)
    return removed_page()


def _attempt_cookie(*, secure: bool) -> str:
    return "__Host-muniment_attempt" if secure else "muniment_attempt"


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; none where it is too large."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAXIMUM_FORM_BYTES:
            return {}
    fields = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def _span(request: Request) -> dict[str, str]:
    return {
        name: value
        for name in ("start", "end")
        if (value := request.query_params.get(name, "")).isdecimal()
    }
