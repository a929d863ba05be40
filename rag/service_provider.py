"""Routes for those whom an identity provider vouches for. Without one, they are not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fastapi import APIRouter

from audit import events
from rag.contract import (
    BeginAtProvider,
    ProviderAddress,
    ProviderAnswer,
    ProviderLogout,
    Session,
)
from rag.conversations import NOT_FOUND
from rag.errors import NotFound, ProviderRefused
from rag.provided import Arrival, ProvidedAccounts
from rag.service_parts import OPEN, InService, Running, ServiceParts
from rag.service_sign_in import session_of

PROVIDER: Final = "identity provider"
"""Who acts where nobody of the house does."""

router = APIRouter()


@router.post("/v1/provider/begin", tags=["public"], dependencies=[OPEN])
def begin(running: InService, given: BeginAtProvider) -> ProviderAddress:
    """Say where to send a browser that wants to sign in."""
    return ProviderAddress(address=_provided(running).begin(given.browser))


@router.post("/v1/provider/finish", tags=["public"], dependencies=[OPEN])
def finish(running: InService, given: ProviderAnswer) -> Session:
    """Open a session for whom the provider's answer stands for."""
    parts = running.parts

    def on_record(arrival: Arrival) -> None:
        if arrival.new:
            change = "added, as the identity provider vouches; roles reader"
            parts.record.append(
                events.UserChanged(actor=PROVIDER, name=arrival.name, change=change)
            )
        parts.record.append(events.SignedIn(arrival.name))

    with _refusals_recorded(parts):
        opened = _provided(running).finish(
            state=given.state,
            code=given.code,
            issuer=given.issuer,
            browser=given.browser,
            before_opening=on_record,
        )
    return session_of(parts, opened)


@router.post("/v1/provider/logout", tags=["public"], dependencies=[OPEN], status_code=204)
def log_out(running: InService, given: ProviderLogout) -> None:
    """End the sessions that the provider says have ended."""
    parts = running.parts

    def on_record(names: list[str]) -> None:
        for name in names:
            parts.record.append(events.SessionRevoked(PROVIDER, name, "signed-out-at-provider"))

    with _refusals_recorded(parts):
        _provided(running).log_out(given.logout_token, before_ending=on_record)


def _provided(running: Running) -> ProvidedAccounts:
    provided = running.parts.provided
    if provided is None:
        raise NotFound(NOT_FOUND)
    return provided


@contextmanager
def _refusals_recorded(parts: ServiceParts) -> Iterator[None]:
    """Put on record why what came in the provider's name was not believed."""
    try:
        yield
    except ProviderRefused as error:
        parts.record.append(events.SignInFailed(PROVIDER, str(error)))
        raise
