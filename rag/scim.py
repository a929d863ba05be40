"""SCIM 2.0 over what a directory said last: resources, filters and patches (RFC 7643, 7644).

Kept are a person's userName, displayName, externalId and active, and a group's displayName,
externalId and members; everything else that a client sends about people is not needed and let go.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from rag.directory_book import DirectoryGroup, DirectoryPerson, Known
from rag.errors import RagError

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"

MOST_LISTED: Final = 200
MOST_OPERATIONS: Final = 1_000
LONGEST_VALUE: Final = 200

_FILTER = re.compile(
    r"""\s*([A-Za-z:.0-9]+)\s+eq\s+(?:"((?:[^"\\]|\\.)*)"|(true|false))\s*""", re.IGNORECASE
)
_MEMBER = re.compile(
    r"""\s*members\s*\[\s*value\s+eq\s+"((?:[^"\\]|\\.)*)"\s*\]\s*""", re.IGNORECASE
)
_ATTRIBUTE = re.compile(r"[A-Za-z][\w$-]*(\[[^\]]*\])?(\.[A-Za-z][\w$-]*)?")

Json = dict[str, Any]


class ScimFault(RagError):
    """A request that RFC 7644 refuses.

    Args:
        status: The HTTP status.
        kind: The ``scimType`` of section 3.12; empty where there is none for it.
        detail: Why, in a sentence.
    """

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind


def invalid(kind: str, detail: str) -> ScimFault:
    """Return the refusal of a request that is not valid."""
    return ScimFault(400, kind, detail)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of a list somebody wants.

    Attributes:
        start: From which one, from 1.
        count: How many at most; None for as many as there may be.
    """

    start: int = 1
    count: int | None = None


# What is shown


def user_of(person: DirectoryPerson, changed_at: datetime, base: str) -> Json:
    """Return a person as a resource."""
    shown: Json = {
        "schemas": [USER],
        "id": person.person_id,
        "userName": person.name,
        "active": person.active,
        "meta": _meta("User", f"{base}/Users/{person.person_id}", changed_at),
    }
    if person.display:
        shown["displayName"] = person.display
    if person.external_id:
        shown["externalId"] = person.external_id
    return shown


def group_of(
    group: DirectoryGroup, known: Known, base: str, *, without_members: bool = False
) -> Json:
    """Return a group as a resource."""
    shown: Json = {
        "schemas": [GROUP],
        "id": group.group_id,
        "displayName": group.name,
        "meta": _meta("Group", f"{base}/Groups/{group.group_id}", known.changed[group.group_id]),
    }
    if group.external_id:
        shown["externalId"] = group.external_id
    if not without_members:
        shown["members"] = [
            _member_of(member, known, base)
            for member in sorted(group.members)
            if member in known.groups or member in known.people
        ]
    return shown


def list_of(found: Sequence[Json], asked: Asked) -> Json:
    """Return a page of resources."""
    start = max(1, asked.start)
    count = MOST_LISTED if asked.count is None else min(max(0, asked.count), MOST_LISTED)
    page = found[start - 1 : start - 1 + count]
    return {
        "schemas": [LIST],
        "totalResults": len(found),
        "startIndex": start,
        "itemsPerPage": len(page),
        "Resources": list(page),
    }


def _member_of(member: str, known: Known, base: str) -> Json:
    kind, place = ("Group", "Groups") if member in known.groups else ("User", "Users")
    name = known.groups[member].name if member in known.groups else known.people[member].person.name
    return {"value": member, "type": kind, "$ref": f"{base}/{place}/{member}", "display": name}


def _meta(kind: str, location: str, changed_at: datetime) -> Json:
    moment = changed_at.isoformat().replace("+00:00", "Z")
    return {"resourceType": kind, "location": location, "lastModified": moment}


# Which are found


def people_found(people: Iterable[DirectoryPerson], written: str) -> list[DirectoryPerson]:
    """Return the people whom a filter finds, in a stable order."""
    wanted = _wanted(
        written,
        {
            "id": lambda one: one.person_id,
            "username": lambda one: one.name.casefold(),
            "displayname": lambda one: one.display.casefold(),
            "externalid": lambda one: one.external_id,
            "active": lambda one: one.active,
        },
    )
    return sorted(filter(wanted, people), key=lambda one: (one.name, one.person_id))


def groups_found(groups: Iterable[DirectoryGroup], written: str) -> list[DirectoryGroup]:
    """Return the groups that a filter finds, in a stable order."""
    wanted = _wanted(
        written,
        {
            "id": lambda one: one.group_id,
            "displayname": lambda one: one.name.casefold(),
            "externalid": lambda one: one.external_id,
            "members.value": lambda one: one.members,
        },
    )
    return sorted(filter(wanted, groups), key=lambda one: (one.name, one.group_id))


def _wanted(written: str, known: Mapping[str, Callable[[Any], object]]) -> Callable[[Any], bool]:
    if not written.strip():
        return lambda _one: True
    parts = _FILTER.fullmatch(written)
    if parts is None:
        raise invalid("invalidFilter", 'Only filters of the form: attribute eq "value".')
    name = parts[1].rpartition("2.0:User:")[2].rpartition("2.0:Group:")[2].casefold()
    name = "members.value" if name in {"members", "members.value"} else name
    read = known.get(name)
    if read is None:
        raise invalid("invalidFilter", f"Filters know {', '.join(sorted(known))}.")
    if (parts[3] is not None) != (name == "active"):
        raise invalid("invalidFilter", "active is true or false; everything else is text.")
    if parts[3] is not None:
        return lambda one: read(one) == (parts[3].casefold() == "true")
    value = re.sub(r"\\(.)", r"\1", parts[2])
    if name == "members.value":
        return lambda one: value in one.members
    exact = name in {"id", "externalid"}
    return lambda one: read(one) == (value if exact else value.casefold())


# What is sent


def sent_person(body: Json, person_id: str) -> DirectoryPerson:
    """Return the person that a whole resource describes."""
    _check_schema(body, USER)
    given = _folded(body)
    if not given.get("username"):
        raise invalid("invalidValue", "userName is required.")
    return _with_person(DirectoryPerson(person_id, ""), given)


def sent_group(body: Json, group_id: str) -> DirectoryGroup:
    """Return the group that a whole resource describes."""
    _check_schema(body, GROUP)
    given = _folded(body)
    if not given.get("displayname"):
        raise invalid("invalidValue", "displayName is required.")
    return _with_group(DirectoryGroup(group_id, ""), given)


def patched_person(person: DirectoryPerson, body: Json) -> DirectoryPerson:
    """Return a person after the operations of a patch, all or none."""
    for kind, path, value in _operations(body):
        name = path.rpartition("2.0:User:")[2].casefold()
        if not path:
            if kind == "remove":
                raise invalid("noTarget", "Name what is to be removed.")
            person = _with_person(person, _folded(_record(value)))
        elif kind == "remove":
            if name in {"username", "active", "id"}:
                raise invalid("mutability", f"{path} cannot be removed.")
            person = _with_person(person, {name: ""})
        else:
            person = _with_person(person, {name: value})
    return person


def patched_group(group: DirectoryGroup, body: Json) -> DirectoryGroup:
    """Return a group after the operations of a patch, all or none."""
    for kind, path, value in _operations(body):
        name = path.rpartition("2.0:Group:")[2].casefold()
        one_member = _MEMBER.fullmatch(path)
        if one_member is not None:
            if kind != "remove":
                raise invalid("invalidPath", "A single member can only be removed.")
            gone = re.sub(r"\\(.)", r"\1", one_member[1])
            group = replace(group, members=group.members - {gone})
        elif name == "members":
            group = replace(group, members=_members_after(group.members, kind, value))
        elif kind == "remove":
            if name != "externalid":
                raise invalid("noTarget" if not path else "mutability", "It cannot be removed.")
            group = replace(group, external_id="")
        elif not path:
            given = _folded(_record(value))
            if "members" in given:
                after = _members_after(group.members, kind, given.pop("members"))
                group = replace(group, members=after)
            group = _with_group(group, given)
        else:
            group = _with_group(group, {name: value})
    return group


def _members_after(before: frozenset[str], kind: str, value: object) -> frozenset[str]:
    if kind == "remove":
        return before - _member_ids(value) if value else frozenset()
    return _member_ids(value) | (before if kind == "add" else frozenset())


def _operations(body: Json) -> list[tuple[str, str, object]]:
    _check_schema(body, PATCH)
    given = _folded(body).get("operations")
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_OPERATIONS:
        raise invalid("invalidSyntax", f"A patch has 1 to {MOST_OPERATIONS} Operations.")
    found = []
    for one in given:
        operation = _folded(_record(one))
        kind, path = str(operation.get("op", "")).casefold(), operation.get("path") or ""
        if kind not in {"add", "replace", "remove"}:
            raise invalid("invalidSyntax", "An operation is add, replace or remove.")
        if not isinstance(path, str) or len(path) > 2 * LONGEST_VALUE:
            raise invalid("invalidPath", "A path is text.")
        bare = path.rpartition("2.0:User:")[2].rpartition("2.0:Group:")[2]
        if path and not (_ATTRIBUTE.fullmatch(bare) or _MEMBER.fullmatch(path)):
            raise invalid("invalidPath", "The path is not understood.")
        if kind != "remove" and "value" not in operation:
            raise invalid("invalidValue", "add and replace need a value.")
        found.append((kind, path, operation.get("value")))
    return found


def _with_person(person: DirectoryPerson, given: Mapping[str, object]) -> DirectoryPerson:
    if "id" in given and given["id"] != person.person_id:
        raise invalid("mutability", "An id never changes.")
    if "username" in given:
        person = replace(person, name=_text("userName", given["username"], needed=True))
    if "displayname" in given:
        person = replace(person, display=_text("displayName", given["displayname"]))
    if "externalid" in given:
        person = replace(person, external_id=_text("externalId", given["externalid"]))
    if "active" in given:
        person = replace(person, active=_flag(given["active"]))
    return person


def _with_group(group: DirectoryGroup, given: Mapping[str, object]) -> DirectoryGroup:
    if "id" in given and given["id"] != group.group_id:
        raise invalid("mutability", "An id never changes.")
    if "displayname" in given:
        group = replace(group, name=_text("displayName", given["displayname"], needed=True))
    if "externalid" in given:
        group = replace(group, external_id=_text("externalId", given["externalid"]))
    if "members" in given:
        group = replace(group, members=_member_ids(given["members"]))
    return group


def _member_ids(value: object) -> frozenset[str]:
    listed = value if isinstance(value, list) else [value]
    ids = [_folded(_record(one)).get("value") for one in listed]
    if not all(isinstance(one, str) and 0 < len(one) <= LONGEST_VALUE for one in ids):
        raise invalid("invalidValue", "A member has a value, which is the id of who it is.")
    return frozenset(str(one) for one in ids)


def _text(name: str, value: object, *, needed: bool = False) -> str:
    text = "" if value is None else value
    if (
        not isinstance(text, str)
        or len(text) > LONGEST_VALUE
        or not text.isprintable()
        or (needed and not text.strip())
    ):
        raise invalid("invalidValue", f"{name} is text of at most {LONGEST_VALUE} characters.")
    return text.strip()


def _flag(value: object) -> bool:
    # Some directories send the words "True" and "False".
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.casefold() in {"true", "false"}:
        return value.casefold() == "true"
    raise invalid("invalidValue", "active is true or false.")


def _folded(body: Json) -> Json:
    """Return an object with its names in lower case: SCIM does not tell cases apart."""
    return {
        name.rpartition("2.0:User:")[2].rpartition("2.0:Group:")[2].casefold(): value
        for name, value in body.items()
    }


def _record(value: object) -> Json:
    if not isinstance(value, dict):
        raise invalid("invalidSyntax", "An object was expected.")
    return value


def _check_schema(body: Json, wanted: str) -> None:
    schemas = _folded(body).get("schemas")
    if not isinstance(schemas, list) or wanted not in schemas:
        raise invalid("invalidSyntax", f"schemas must name {wanted}.")
