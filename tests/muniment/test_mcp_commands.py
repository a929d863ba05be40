"""Another assistant asks over the Model Context Protocol, through a real service."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from fastapi.testclient import TestClient
from mcp import Client
from mcp.types import ImageContent, TextContent

from corpus.documents import Version
from muniment.mcp_commands import create_server
from tests.rag.test_service import (
    CANARY,
    HANDBOOK,
    House,
    answer_from,
    client,
    handbook,
    house,
    index,
    secret,
    sign_in,
)

__all__ = ["client", "handbook", "house", "index", "secret"]

Call = Callable[..., list[TextContent | ImageContent]]


@pytest.fixture
def call(client: TestClient) -> Call:
    """Call a tool as bob does, through a token of his."""
    made = client.post("/v1/tokens", json={"label": "mcp"}, headers=sign_in(client, "bob")).json()

    def forward(request: httpx.Request) -> httpx.Response:
        body = request.content or None
        sent = client.request(
            request.method, str(request.url), headers=dict(request.headers), content=body
        )
        return httpx.Response(sent.status_code, headers=sent.headers, content=sent.content)

    service = httpx.Client(
        base_url="http://localhost",
        headers={"Authorization": f"Bearer {made['token']}"},
        transport=httpx.MockTransport(forward),
    )

    def call_tool(name: str, **arguments: object) -> list[TextContent | ImageContent]:
        async def run() -> list[TextContent | ImageContent]:
            async with Client(create_server(service)) as assistant:
                result = await assistant.call_tool(name, arguments)
                return [
                    part for part in result.content if isinstance(part, TextContent | ImageContent)
                ]

        return asyncio.run(run())

    return call_tool


def text_of(parts: list[TextContent | ImageContent]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, TextContent))


def test_another_assistant_gets_the_answer_with_its_citation(
    call: Call, house: House, handbook: Version
) -> None:
    house.assistant.answers = [answer_from(handbook, HANDBOOK)]

    told = text_of(call("ask", question="How long is notice?", words="documents"))

    assert told.startswith(f"{HANDBOOK} [1]")
    assert f"open_page version_id={handbook.version_id}" in told
    assert "rag.ask" in house.types_on_record()


def test_another_assistant_opens_the_cited_page(call: Call, handbook: Version) -> None:
    parts = call("open_page", version_id=handbook.version_id, start=0, end=6, page=1)

    assert ">>> Notice <<<" in text_of(parts)
    assert any(isinstance(part, ImageContent) for part in parts)


def test_another_assistant_opens_nothing_that_its_person_may_not_read(
    call: Call, secret: Version
) -> None:
    told = text_of(call("open_page", version_id=secret.version_id, start=0, end=6))

    assert CANARY[:6] not in told
    assert "nothing here" in told


def test_a_search_that_finds_nothing_says_so(call: Call, house: House) -> None:
    assert "Nothing was found" in text_of(call("search", question="Larkspur?"))
