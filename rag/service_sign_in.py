"""Routes to sign in and out."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from audit import events
from corpus.access import Named, Principal
from rag.contract import (
    Code,
    FactorBegun,
    FactorState,
    Password,
    Person,
    ProviderAddress,
    RecoveryCodes,
    Role,
    Session,
    SetUpFirst,
    SignIn,
    SignInWays,
)
from rag.errors import (
    AccountExists,
    InvalidPassword,
    SignInRefused,
    TooManyAttempts,
    Unusable,
)
from rag.identity import SignedInAs
from rag.service_parts import OPEN, InPerson, InService, Running, ServiceParts, SignedIn, Token
from rag.set_up import FIRST_ROLES

router = APIRouter()


@router.get("/v1/sign-in", tags=["public"], dependencies=[OPEN])
def show_ways(running: InService) -> SignInWays:
    """Say how one may sign in here."""
    provided = running.parts.provided
    return SignInWays(
        set_up=running.set_up.wanted(),
        provider=provided.provider.settings.name if provided else "",
    )


@router.post("/v1/set-up", tags=["public"], dependencies=[OPEN])
def set_up(running: InService, given: SetUpFirst) -> Session:
    """Add the first administrator, by the code that stood on the console, and sign them in."""
    parts = running.parts
    change = f"added by the set-up code; roles {', '.join(sorted(FIRST_ROLES))}"
    added = events.UserChanged(actor=given.name, name=given.name, change=change)
    try:
        running.set_up.take(
            given.code,
            given.name,
            given.password,
            before_adding=lambda: _record(parts, added),
        )
    except SignInRefused as error:
        parts.record.append(events.SignInFailed(given.name, error.reason))
        raise
    except (InvalidPassword, AccountExists) as error:
        raise Unusable(str(error)) from error
    return _signed_in(running, SignIn(name=given.name, password=given.password))


@router.post("/v1/session", tags=["public"], dependencies=[OPEN])
def sign_in(running: InService, given: SignIn) -> Session:
    """Sign in with a name and a password, and a code where the person has set one up."""
    return _signed_in(running, given)


@router.get("/v1/session")
def who_is_signed_in(running: InService, principal: SignedIn) -> Person:
    """Say who is signed in."""
    return _person(running.parts, principal)


@router.delete("/v1/session", status_code=204, responses={200: {"model": ProviderAddress}})
def sign_out(running: InService, principal: InPerson, token: Token) -> Response:
    """End the session; where it came from an identity provider, say where to end it there too."""
    parts = running.parts
    address = parts.provided.leaving_address(token) if parts.provided else ""
    parts.record.append(events.SignedOut(principal.name))
    parts.identity.sign_out(token)
    if not address:
        return Response(status_code=204)
    return JSONResponse(ProviderAddress(address=address).model_dump())


@router.get("/v1/second-factor")
def show_second_factor(running: InService, principal: InPerson) -> FactorState:
    """Say whether one is asked for a code, and which of one's roles wait for one."""
    held_back = running.parts.identity.held_back(principal)
    return FactorState(set_up=running.factors.has(principal.name), needed_for=sorted(held_back))


@router.post("/v1/second-factor")
def begin_second_factor(running: InService, principal: InPerson, given: Password) -> FactorBegun:
    """Make the secret of a new authenticator; it counts once a code of it has come back."""
    with _failures_recorded(running.parts, principal.name):
        begun = running.factors.begin(principal.name, given.password)
    return FactorBegun(secret=begun.secret, address=begun.address)


@router.post("/v1/second-factor/confirmation")
def confirm_second_factor(
    running: InService, principal: InPerson, token: Token, given: Code
) -> RecoveryCodes:
    """Confirm a new authenticator by its first code."""
    _record(running.parts, events.SecondFactorUsed(principal.name, "totp", "set-up"))
    with _failures_recorded(running.parts, principal.name):
        return RecoveryCodes(codes=running.factors.confirm(principal.name, given.code, token))


@router.post("/v1/second-factor/removal", status_code=204)
def remove_second_factor(running: InService, principal: InPerson, given: Code) -> None:
    """Give one's authenticator up, by a code of it or a recovery code."""
    _record(running.parts, events.SecondFactorUsed(principal.name, "totp", "removal"))
    with _failures_recorded(running.parts, principal.name):
        running.factors.take_off(principal.name, given.code)


def _signed_in(running: Running, given: SignIn) -> Session:
    parts = running.parts

    def on_record(principal: Principal, method: str) -> None:
        if method:
            _record(parts, events.SecondFactorUsed(principal.name, method, "passed"))
        _record(parts, events.SignedIn(principal.name))

    with _failures_recorded(parts, given.name):
        opened = parts.identity.sign_in(
            given.name,
            given.password,
            code=given.code,
            address=given.address,
            before_opening=on_record,
        )
    return session_of(parts, opened)


def session_of(parts: ServiceParts, opened: SignedInAs) -> Session:
    """Return a session just opened as its owner gets it."""
    person = _person(parts, opened.principal)
    return Session(token=opened.token, expires_at=opened.expires_at, person=person)


def _record(parts: ServiceParts, event: events.Event) -> None:
    parts.record.append(event)


@contextmanager
def _failures_recorded(parts: ServiceParts, name: str) -> Iterator[None]:
    """Put on record that somebody gave a wrong name, password or code."""
    try:
        yield
    except SignInRefused as error:
        parts.record.append(events.SignInFailed(name, error.reason))
        if error.attempts:
            parts.record.append(events.LockedOut(name, error.attempts))
        raise
    except TooManyAttempts:
        parts.record.append(events.SignInFailed(name, "too many attempts"))
        raise


def _person(parts: ServiceParts, principal: Principal) -> Person:
    openings = parts.catalog.openings(only_open=True, person=Named.asker(principal))
    owner = {Role.OWNER.value} if parts.catalog.owned_sources(principal) else set[str]()
    return Person(
        name=principal.name,
        groups=sorted(principal.groups),
        roles=sorted(principal.roles | owner),
        notices=[*_waiting(parts, principal)]
        + [
            f"Break-glass: you may read {one.target} until {one.expires_at:%d %b %Y %H:%M} UTC, "
            f"because: {one.reason} All you read is on the record."
            for one in openings
        ],
    )


def _waiting(parts: ServiceParts, principal: Principal) -> Iterator[str]:
    if held_back := parts.identity.held_back(principal):
        yield (
            f"Your role {' and '.join(sorted(held_back))} waits for a second factor. "
            "Set one up under Account, or sign in again with a code of it."
        )
