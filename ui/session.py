"""Whose page this is: the session cookie, and the service as that person sees it."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from time import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from rag.contract import Person
from ui.client import Client
from ui.errors import NotSignedIn

PLAIN_COOKIE = "muniment_session"
SECURE_COOKIE = "__Host-muniment_session"
"""The prefix makes a browser refuse it unless it is Secure, of this host and of every path."""

_address: list[str] = []


def connect_to(service_url: str) -> None:
    """Set the service of this process; there is one page in a process."""
    _address[:] = [service_url]


def client() -> Client:
    """Return the service as the person of this browser session sees it."""
    if "client" not in st.session_state:
        cookies = st.context.cookies
        token = cookies.get(SECURE_COOKIE) or cookies.get(PLAIN_COOKIE)
        if not token or not _address:
            raise NotSignedIn("You are signed out.")
        st.session_state["client"] = Client(_address[0], token)
    found: Client = st.session_state["client"]
    return found


def person() -> Person:
    """Return who is signed in, asked anew on every run so that a lost role is lost at once."""
    return client().person()


def local_time(moment: datetime) -> datetime:
    """Return a moment in the reader's own time zone."""
    return moment.astimezone(_zone())


def now(clock: Callable[[], float] = time) -> datetime:
    """Return the present moment in the reader's own time zone."""
    return datetime.fromtimestamp(clock(), _zone())


def _zone() -> tzinfo:
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
