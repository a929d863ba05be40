"""Which pages there are, and whom each is for; the service checks every request again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rag.contract import Person, Role
from ui.views import account, ask, audit, ingestion, library

ANYBODY: Final = frozenset[Role]()


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of the menu.

    Attributes:
        path: Its address.
        title: Its name in the menu.
        icon: Beside the name.
        show: Draws it.
        roles: One of these is enough; none means anybody who is signed in.
    """

    path: str
    title: str
    icon: str
    show: Callable[[], None]
    roles: frozenset[Role]


MENU: Final = (
    Entry("ask", "Ask", ":material/forum:", ask.show, frozenset({Role.READER})),
    Entry("library", "Library", ":material/folder_open:", library.show, frozenset({Role.READER})),
    Entry(
        "ingestion",
        "Ingestion",
        ":material/sync:",
        ingestion.show,
        frozenset({Role.ADMINISTRATOR, Role.OWNER, Role.CONTRIBUTOR}),
    ),
    Entry("audit", "Audit log", ":material/receipt_long:", audit.show, frozenset({Role.AUDITOR})),
    Entry("account", "Account", ":material/person:", account.show, ANYBODY),
)


def entries_for(who: Person) -> list[Entry]:
    """Return the pages that a person's roles open, the first of which is shown first."""
    return [one for one in MENU if not one.roles or not one.roles.isdisjoint(who.roles)]
