"""In which circumstances an event happens: whose session, from where, for which request.

Whoever takes a request says so once, at its edge, with :func:`within`; every event that is
recorded until its end bears it. Names, addresses and tokens are given as they are: the log
turns them into pseudonyms before they reach an envelope.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known beside the event itself; what is empty is left out of the envelope.

    Attributes:
        authn: How the person proved who they are: "password", "oidc", "operator", ….
        issuer: Who vouched for them; only a keyed hash is written.
        session: Token of their session; only a keyed hash is written.
        on_behalf_of: Name of whom they act for; a pseudonym is written.
        address: Network address; a keyed hash in the envelope, itself in the payload.
        user_agent: Only in the payload.
        tenant: A token.
        matter: A token: the case or client a question belongs to.
        request_id: A token that the events of one request share.
        parent: Id of the event this one follows from.
    """

    authn: str = ""
    issuer: str = ""
    session: str = ""
    on_behalf_of: str = ""
    address: str = ""
    user_agent: str = ""
    tenant: str = ""
    matter: str = ""
    request_id: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """Which program writes, for every one of its events.

    Attributes:
        name: "rag", "ingest", "command".
        host: Name of the machine; only a keyed hash is written.
        version: Of the software.
        commit: Of its source, where known.
        sbom_sha256: Of its list of parts, where known.
    """

    name: str = ""
    host: str = ""
    version: str = ""
    commit: str = ""
    sbom_sha256: str = ""


_CURRENT: ContextVar[Circumstances] = ContextVar("circumstances", default=Circumstances())  # noqa: B039 - frozen


def current() -> Circumstances:
    """Return the circumstances that hold here."""
    return _CURRENT.get()


@contextmanager
def within(**known: str) -> Iterator[None]:
    """Add what is known to the circumstances while the block lasts."""
    token = _CURRENT.set(replace(_CURRENT.get(), **known))
    try:
        yield
    finally:
        _CURRENT.reset(token)
