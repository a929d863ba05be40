"""Let nobody in without a session: the middleware around everything the page serves."""

from collections.abc import Callable, Collection, Sequence
from time import monotonic
from urllib.parse import urlsplit

import httpx
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.policy import security_headers
from ui.session import PLAIN_COOKIE, SECURE_COOKIE

SESSION_SECONDS = 3.0
"""How long a verdict of the service stands; a session ended elsewhere lives on that long."""

OPEN_PREFIXES = ("/static/", "/assets/")
"""What the sign-in page itself is made of, and Streamlit's own files; never a document."""
_BLOCKED = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")
_PAGE_AWAY = "Muniment is starting, or its service is away. Try again in a moment.\n"


class PublicRoute(Route):
    """A path of ours that everybody may take, signed in or not."""


class SignedInRoute(Route):
    """A path of ours for whoever is signed in; what they get there is the service's to say."""


class Sessions:
    """Which tokens the service accepts, remembered for a few seconds."""

    def __init__(
        self, service: httpx.AsyncClient, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._service = service
        self._clock = clock
        self._accepted: dict[str, float] = {}

    async def accepts(self, token: str) -> bool:
        """Tell whether a token belongs to a session.

        Raises:
            httpx.HTTPError: The service does not answer, or not as it should.
        """
        if not token:
            return False
        moment = self._clock()
        if self._accepted.get(token, 0.0) > moment:
            return True
        response = await self._service.get("/v1/session", headers=bearer(token))
        if response.is_server_error:
            response.raise_for_status()
        self._accepted = {kept: end for kept, end in self._accepted.items() if end > moment}
        if response.is_success:
            self._accepted[token] = moment + SESSION_SECONDS
        else:
            self._accepted.pop(token, None)
        return response.is_success

    def forget(self, token: str) -> None:
        """Ask the service anew about a token next time."""
        self._accepted.pop(token, None)


def bearer(token: str) -> dict[str, str]:
    """Return the header that proves a session to the service."""
    return {"Authorization": f"Bearer {token}"}


def cookie_name(*, secure: bool) -> str:
    """Return the name of the session cookie over https, or over loopback http."""
    return SECURE_COOKIE if secure else PLAIN_COOKIE


def session_token(connection: HTTPConnection) -> str:
    """Return the session cookie's token, or nothing."""
    cookies = connection.cookies
    return cookies.get(SECURE_COOKIE) or cookies.get(PLAIN_COOKIE) or ""


class Guard:
    """Check host, path, origin and session of every request, and set the headers of all."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        sessions: Sessions,
        host_names: Sequence[str],
        policy: str,
        open_paths: Collection[str],
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._host_names = frozenset(name.lower().rstrip(".") for name in host_names)
        self._open_paths = frozenset(open_paths)
        self._headers = security_headers(policy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request if all checks pass, else refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        answer = self._plain_objection(connection) or await self._session_objection(connection)
        if answer is None:
            await self._app(scope, receive, self._with_headers(scope, send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "not signed in"})
        else:
            await answer(scope, receive, self._with_headers(scope, send))

    def _plain_objection(self, connection: HTTPConnection) -> Response | None:
        if not self._host_allowed(connection):
            return PlainTextResponse("This host name is not served here.\n", 400)
        if any(blocked in connection.url.path for blocked in _BLOCKED):
            return PlainTextResponse("Not found.\n", 404)
        if _is_from_elsewhere(connection):
            return PlainTextResponse("This was not sent from this page.\n", 403)
        return None

    async def _session_objection(self, connection: HTTPConnection) -> Response | None:
        path = connection.url.path
        if path in self._open_paths or path.startswith(OPEN_PREFIXES):
            return None
        try:
            if await self._sessions.accepts(session_token(connection)):
                return None
        except httpx.HTTPError:
            return PlainTextResponse(_PAGE_AWAY, 503)
        if _wants_page(connection):
            return RedirectResponse("/sign-in", 303)
        return PlainTextResponse("Sign in first.\n", 401)

    def _host_allowed(self, connection: HTTPConnection) -> bool:
        try:
            name = urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
        except ValueError:
            return False
        return name.rstrip(".") in self._host_names

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        cacheable = str(scope["path"]).startswith(OPEN_PREFIXES)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if not cacheable:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return send_with_headers


def _wants_page(connection: HTTPConnection) -> bool:
    return connection.scope.get("method") == "GET" and "text/html" in connection.headers.get(
        "accept", ""
    )


def _is_from_elsewhere(connection: HTTPConnection) -> bool:
    # A socket opens with a GET, so its origin counts too; left to Streamlit, it would look for
    # the machine's outside address to compare with.
    harmless = connection.scope.get("method", "GET") in {"GET", "HEAD", "OPTIONS"}
    if harmless and connection.scope["type"] != "websocket":
        return False
    origin = connection.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != connection.headers.get("host", "")
