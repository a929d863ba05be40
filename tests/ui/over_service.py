"""The page's own paths over a real service, in one process; what Streamlit serves is one word."""

import httpx
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from ui.asgi import Routes
from ui.guard import Guard, Sessions


async def anything(_: Request) -> PlainTextResponse:
    return PlainTextResponse("reached")


async def stream(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


def page_over(app: FastAPI, *, https: bool = False) -> tuple[TestClient, list[BaseRoute]]:
    """Return a browser at the page, and the page's own routes."""
    transport = httpx.ASGITransport(app=app)
    service = httpx.AsyncClient(transport=transport, base_url="http://localhost")
    sessions = Sessions(service, clock=lambda: 0.0)
    routes = Routes(service, sessions, https=https)
    page = Starlette(
        routes=[
            *routes.all(),
            WebSocketRoute("/_stcore/stream", stream),
            Route("/{path:path}", anything, methods=["GET", "POST", "PUT"]),
        ],
        middleware=[
            Middleware(
                Guard,
                sessions=sessions,
                host_names=["localhost"],
                policy="default-src 'self'",
                open_paths=routes.open_paths(),
            )
        ],
    )
    address = "https://localhost" if https else "http://localhost"
    return TestClient(page, base_url=address, follow_redirects=False), routes.all()
