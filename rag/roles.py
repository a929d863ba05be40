"""What somebody may do besides reading, and the rule that every route declares.

Roles open no document: a reader reads what the access lists admit, and an administrator without
the role of a reader reads nothing at all. Who owns a source stands in the catalog and not in the
accounts; to a rule it is a role like the others.
"""

from dataclasses import dataclass
from typing import Final

from rag.contract import Role

GIVEN: Final = frozenset(Role) - {Role.OWNER}
"""Roles that an account is given; the owner of a source is one by the source."""

USUAL: Final = frozenset({Role.READER})
"""What an account has where nothing is said."""

ANYBODY: Final = frozenset[Role]()


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may take a route.

    Attributes:
        name: The rule in a word or two, for people.
        roles: One of these is enough; none means anybody who is signed in.
        scope: What a program's token must be for; empty where any will do.
        in_person: No token of a program will do: this needs a session.
        public: Also for those who are not signed in.
    """

    name: str
    roles: frozenset[Role] = ANYBODY
    scope: str = ""
    in_person: bool = False
    public: bool = False


PUBLIC: Final = Rule("public", public=True)
SIGNED_IN: Final = Rule("signed in")
IN_PERSON: Final = Rule("in person", in_person=True)
READERS: Final = Rule("readers", frozenset({Role.READER}), scope="ask")
EXPLAINERS: Final = Rule("owners and auditors", frozenset({Role.OWNER, Role.AUDITOR}), scope="ask")
KEEPERS: Final = Rule(
    "administrators and owners", frozenset({Role.ADMINISTRATOR, Role.OWNER}), scope="administer"
)
CONTRIBUTORS: Final = Rule(
    "administrators and contributors",
    frozenset({Role.ADMINISTRATOR, Role.CONTRIBUTOR}),
    scope="administer",
)
WATCHERS: Final = Rule(
    "whoever brings documents in", KEEPERS.roles | CONTRIBUTORS.roles, scope="administer"
)
AUDITORS: Final = Rule("auditors", frozenset({Role.AUDITOR}), scope="audit")
PROVISIONERS: Final = Rule("directories", frozenset({Role.ADMINISTRATOR}), scope="directory")
PRIVACY: Final = Rule("privacy officers", frozenset({Role.PRIVACY_OFFICER}), in_person=True)
