"""The HTTP service: every path of `rag.contract`, put together."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from rag import (
    service_asking,
    service_conversations,
    service_documents,
    service_ingestion,
    service_openai,
    service_oversight,
    service_privacy,
    service_provider,
    service_scim,
    service_sign_in,
    service_tokens,
)
from rag.answering import (
    INTERRUPTED,
    USUAL_WAITING,
    USUAL_WORKERS,
    Answering,
    ended,
    failed,
)
from rag.contract import Problem
from rag.feedback import FeedbackBook
from rag.pages import PageImages
from rag.reading_ahead import ReadingAhead
from rag.second_factor import SecondFactors
from rag.service_errors import Guard, install_problems
from rag.service_parts import RecordCheck, Running, ServiceParts, Views, rule_of
from rag.set_up import SetUp
from rag.tokens import ApiTokens

__all__ = ["ServiceParts", "create_service"]

ROUTES: Final = (
    service_sign_in,
    service_privacy,
    service_provider,
    service_asking,
    service_conversations,
    service_documents,
    service_ingestion,
    service_openai,
    service_oversight,
    service_scim,
    service_tokens,
)

REFUSALS: Final = (401, 403, 404, 422, 503)


def create_service(
    parts: ServiceParts,
    *,
    allowed_hosts: Collection[str] = (),
    workers: int = USUAL_WORKERS,
    waiting: int = USUAL_WAITING,
) -> FastAPI:
    """Return the service as an ASGI application.

    Turns that an earlier process left running are shown as interrupted from here on; so at most
    one service may run on a database.

    Args:
        parts: What it works with; whoever made them closes them after the service has ended.
        allowed_hosts: Names it may be addressed by, besides the loopback ones.
        workers: Answers made at the same time.
        waiting: Questions that may wait for a worker; one more is refused as busy.

    Raises:
        AuditUnavailable: Interrupted turns cannot be put on record.
    """
    _end_interrupted(parts)
    answering = Answering(
        parts.assistant, parts.conversations, parts.record, workers=workers, waiting=waiting
    )

    reading_ahead = ReadingAhead(
        parts.catalog,
        read=parts.assistant.read_ahead,
        forget=parts.assistant.forget,
        is_idle=lambda: answering.numbers() == (0, 0),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        reading_ahead.start()
        yield
        reading_ahead.close()
        answering.close()

    app = FastAPI(
        title="Muniment",
        version="1",
        summary="Cited answers from an organisation's own documents.",
        lifespan=lifespan,
        # The documentation pages load their scripts from a foreign host.
        docs_url=None,
        redoc_url=None,
        responses={status: _documented(status) for status in REFUSALS},
    )
    app.state.running = _running(parts, answering)
    install_problems(app)
    for module in ROUTES:
        app.include_router(module.router)
    require_rules(app)
    app.add_middleware(Guard, allowed_hosts=allowed_hosts, largest_upload=parts.largest_upload)
    return app


def _running(parts: ServiceParts, answering: Answering) -> Running:
    return Running(
        parts=parts,
        answering=answering,
        pictures=PageImages(),
        views=Views(),
        record_check=RecordCheck(parts.record, parts.clock),
        tokens=ApiTokens(parts.identity.store, parts.identity, clock=parts.clock),
        feedback=FeedbackBook(parts.conversations.store, clock=parts.clock),
        factors=SecondFactors(parts.identity, clock=parts.clock),
        set_up=SetUp(parts.identity, clock=parts.clock),
    )


def require_rules(app: FastAPI) -> None:
    """Refuse to start with a route of which nobody has said who may take it.

    Raises:
        RuntimeError: There is one; it is named.
    """
    for route in app.routes:
        if isinstance(route, APIRoute) and rule_of(route) is None:
            raise RuntimeError(f"{route.path} declares no rule of rag.roles, or more than one.")


def _documented(status: int) -> dict[str, object]:
    schema = Problem.model_json_schema()
    return {
        "description": f"Refused ({status}).",
        "content": {"application/problem+json": {"schema": schema}},
    }


def _end_interrupted(parts: ServiceParts) -> None:
    for turn in parts.conversations.running():
        shown = parts.conversations.turn(turn.owner, turn.turn_id).draft
        parts.record.append(ended(turn.owner, turn.turn_id, "interrupted", shown))
        parts.conversations.finish(turn.turn_id, failed(INTERRUPTED))
