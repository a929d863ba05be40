"""Routes by which a directory pushes its people and groups: SCIM 2.0 (RFC 7644).

Each request is a synchronisation of its own: what it takes away is gone when it is answered. A
person who is deleted is locked and no longer shown here; the account and its history stay.
"""

import json
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import wraps
from threading import Lock
from typing import Annotated, Any, Final, ParamSpec, TypeVar

from fastapi import APIRouter, Body, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from audit.errors import AuditError
from corpus.errors import CorpusError
from rag.directory import DirectorySync
from rag.directory_book import DirectoryBook, DirectoryGroup, DirectoryPerson, Known, Snapshot
from rag.errors import DirectoryInvalid, NotAllowed, NotFound, NotSignedIn, RagError
from rag.names import comparable
from rag.scim import (
    ERROR,
    GROUP,
    MOST_LISTED,
    USER,
    Asked,
    Json,
    ScimFault,
    group_of,
    groups_found,
    list_of,
    patched_group,
    patched_person,
    people_found,
    sent_group,
    sent_person,
    user_of,
)
from rag.service_parts import InService, Provisioner, Running

MEDIA_TYPE: Final = "application/scim+json"
NAME: Final = "scim"
"""What a directory that pushes is called here."""
BASE: Final = "/scim/v2"

_STATUS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (NotSignedIn, 401, ""),
    (NotAllowed, 403, ""),
    (NotFound, 404, ""),
    (DirectoryInvalid, 400, "invalidValue"),
    (AuditError, 503, ""),
    (CorpusError, 503, ""),
)


class ScimReply(Response):
    """A reply in SCIM's own media type."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Write it as JSON."""
        return json.dumps(content, ensure_ascii=False).encode()


class ScimRoute(APIRoute):
    """A route whose refusals have the form of RFC 7644, section 3.12."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with its errors caught."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except (RagError, AuditError, CorpusError, RequestValidationError) as error:
                return _refusal(error)
            except HTTPException as error:
                return _fault(error.status_code, "", "The request is not valid.")

        return answered


router = APIRouter(prefix=BASE, route_class=ScimRoute, default_response_class=ScimReply)

Sent = Annotated[dict[str, Any], Body()]
Filter = Annotated[str, Query(max_length=500)]
Left = Annotated[str, Query(alias="excludedAttributes", max_length=500)]


_CHANGING: Final = Lock()
Given = ParamSpec("Given")
Returned = TypeVar("Returned")


def _in_turn(change: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Let one request change the directory at a time.

    Each reads what the directory said so far and writes it back as a whole: of two at once, the
    one that writes last would undo the other, and let in again whom that one has just locked.
    """

    @wraps(change)
    def alone(*given: Given.args, **named: Given.kwargs) -> Returned:
        with _CHANGING:
            return change(*given, **named)

    return alone


@router.get("/ServiceProviderConfig")
def show_configuration(_provisioner: Provisioner) -> Json:
    """Say what is supported."""
    no: Json = {"supported": False}
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {**no, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": MOST_LISTED},
        "changePassword": no,
        "sort": no,
        "etag": no,
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "A token with the scope directory.",
            }
        ],
    }


@router.get("/ResourceTypes")
def show_resource_types(_provisioner: Provisioner) -> Json:
    """Say which resources there are."""
    schema = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
    kinds = (("User", "/Users", USER), ("Group", "/Groups", GROUP))
    found = [
        {"schemas": [schema], "id": name, "name": name, "endpoint": place, "schema": of}
        for name, place, of in kinds
    ]
    return list_of(found, Asked())


@router.get("/Users")
def list_users(
    running: InService,
    _provisioner: Provisioner,
    wanted: Annotated[Filter, Query(alias="filter")] = "",
    start: Annotated[int, Query(alias="startIndex")] = 1,
    count: int | None = None,
) -> Json:
    """List people."""
    known = _known(running)
    found = people_found(known.snapshot().people, wanted)
    shown = [_shown(known, one) for one in found]
    return list_of(shown, Asked(start, count))


@router.post("/Users", status_code=201)
@_in_turn
def create_user(running: InService, provisioner: Provisioner, body: Sent) -> Json:
    """Take a person over; one who was deleted and comes back is who they were."""
    known = _known(running)
    person = sent_person(body, str(uuid.uuid4()))
    back = next(
        (
            one.person
            for one in known.people.values()
            if one.gone and person.external_id and one.person.external_id == person.external_id
        ),
        None,
    )
    if back is not None:
        person = replace(person, person_id=back.person_id)
    _check_free(running, known, person)
    _put_person(running, provisioner.name, known, person)
    return _shown(_known(running), person)


@router.get("/Users/{user_id}")
def show_user(running: InService, _provisioner: Provisioner, user_id: str) -> Json:
    """Show a person."""
    known = _known(running)
    return _shown(known, _person(known, user_id))


@router.put("/Users/{user_id}")
@_in_turn
def replace_user(running: InService, provisioner: Provisioner, user_id: str, body: Sent) -> Json:
    """Replace what is known of a person."""
    known = _known(running)
    _person(known, user_id)
    return _changed(running, provisioner.name, known, sent_person(body, user_id))


@router.patch("/Users/{user_id}")
@_in_turn
def patch_user(running: InService, provisioner: Provisioner, user_id: str, body: Sent) -> Json:
    """Change what is known of a person."""
    known = _known(running)
    person = patched_person(_person(known, user_id), body)
    return _changed(running, provisioner.name, known, person)


@router.delete("/Users/{user_id}", status_code=204)
@_in_turn
def delete_user(running: InService, provisioner: Provisioner, user_id: str) -> None:
    """Lock a person, and show them here no longer."""
    known = _known(running)
    gone = _person(known, user_id)
    before = known.snapshot()
    people = tuple(one for one in before.people if one.person_id != gone.person_id)
    groups = tuple(replace(one, members=one.members - {gone.person_id}) for one in before.groups)
    _apply(running, provisioner.name, Snapshot(people, groups))


@router.get("/Groups")
def list_groups(
    running: InService,
    _provisioner: Provisioner,
    wanted: Annotated[Filter, Query(alias="filter")] = "",
    start: Annotated[int, Query(alias="startIndex")] = 1,
    count: int | None = None,
    left: Left = "",
) -> Json:
    """List groups."""
    known = _known(running)
    without = _without_members(left)
    shown = [
        group_of(one, known, BASE, without_members=without)
        for one in groups_found(known.groups.values(), wanted)
    ]
    return list_of(shown, Asked(start, count))


@router.post("/Groups", status_code=201)
@_in_turn
def create_group(running: InService, provisioner: Provisioner, body: Sent) -> Json:
    """Take a group over."""
    known = _known(running)
    return _changed_group(running, provisioner.name, known, sent_group(body, str(uuid.uuid4())))


@router.get("/Groups/{group_id}")
def show_group(
    running: InService, _provisioner: Provisioner, group_id: str, left: Left = ""
) -> Json:
    """Show a group."""
    known = _known(running)
    group = _group(known, group_id)
    return group_of(group, known, BASE, without_members=_without_members(left))


@router.put("/Groups/{group_id}")
@_in_turn
def replace_group(running: InService, provisioner: Provisioner, group_id: str, body: Sent) -> Json:
    """Replace a group with its members."""
    known = _known(running)
    _group(known, group_id)
    return _changed_group(running, provisioner.name, known, sent_group(body, group_id))


@router.patch("/Groups/{group_id}")
@_in_turn
def patch_group(running: InService, provisioner: Provisioner, group_id: str, body: Sent) -> Json:
    """Change a group or its members."""
    known = _known(running)
    group = patched_group(_group(known, group_id), body)
    return _changed_group(running, provisioner.name, known, group)


@router.delete("/Groups/{group_id}", status_code=204)
@_in_turn
def delete_group(running: InService, provisioner: Provisioner, group_id: str) -> None:
    """End a group: nobody is in it by this directory any more."""
    known = _known(running)
    gone = _group(known, group_id).group_id
    before = known.snapshot()
    groups = tuple(
        replace(one, members=one.members - {gone}) for one in before.groups if one.group_id != gone
    )
    _apply(running, provisioner.name, Snapshot(before.people, groups))


def _book(running: Running) -> DirectoryBook:
    return DirectoryBook(running.parts.identity.store, clock=running.parts.clock)


def _without_members(left: str) -> bool:
    """Say whether what is left out of an answer names the members."""
    return "members" in {name.strip().casefold() for name in left.split(",")}


def _known(running: Running) -> Known:
    return _book(running).known(NAME)


def _apply(running: Running, actor: str, snapshot: Snapshot) -> None:
    # Whoever sends a request says whom it is about, so however many there are is meant.
    parts = running.parts
    sync = DirectorySync(parts.identity, _book(running), parts.catalog, parts.record)
    sync.apply(NAME, snapshot, actor=actor, accept=True)


def _person(known: Known, person_id: str) -> DirectoryPerson:
    found = known.people.get(person_id)
    if found is None or found.gone:
        raise NotFound("There is no such person.")
    return found.person


def _group(known: Known, group_id: str) -> DirectoryGroup:
    found = known.groups.get(group_id)
    if found is None:
        raise NotFound("There is no such group.")
    return found


def _shown(known: Known, person: DirectoryPerson) -> Json:
    return user_of(person, known.people[person.person_id].changed_at, BASE)


def _check_free(running: Running, known: Known, person: DirectoryPerson) -> None:
    """See that a name is nobody else's, here or in the directory.

    Raises:
        ScimFault: It is.
    """
    own = known.people.get(person.person_id)
    key = comparable(person.name)
    others = {
        comparable(one.person.name)
        for person_id, one in known.people.items()
        if person_id != person.person_id and not one.gone
    }
    holder = _book(running).held_names().get(key)
    mine = own is not None and own.account and comparable(own.account) == key
    if key in others or (holder is not None and not mine):
        raise ScimFault(409, "uniqueness", "The userName is or was somebody else's here.")


def _changed(running: Running, actor: str, known: Known, person: DirectoryPerson) -> Json:
    if comparable(person.name) != comparable(known.people[person.person_id].person.name):
        _check_free(running, known, person)
    _put_person(running, actor, known, person)
    return _shown(_known(running), person)


def _put_person(running: Running, actor: str, known: Known, person: DirectoryPerson) -> None:
    before = known.snapshot()
    others = tuple(one for one in before.people if one.person_id != person.person_id)
    _apply(running, actor, Snapshot((*others, person), before.groups))


def _changed_group(running: Running, actor: str, known: Known, group: DirectoryGroup) -> Json:
    before = known.snapshot()
    others = tuple(one for one in before.groups if one.group_id != group.group_id)
    if any(one.name == group.name for one in others):
        raise ScimFault(409, "uniqueness", "Another group has this displayName.")
    present = {one.person_id for one in before.people} | {one.group_id for one in others}
    if not group.members <= present | {group.group_id}:
        raise ScimFault(400, "invalidValue", "A member is neither a User nor a Group here.")
    _apply(running, actor, Snapshot(before.people, (*others, group)))
    return group_of(group, _known(running), BASE)


def _refusal(error: Exception) -> Response:
    if isinstance(error, ScimFault):
        return _fault(error.status, error.kind, str(error))
    if isinstance(error, RequestValidationError):
        return _fault(400, "invalidSyntax", "The request is not valid.")
    for known, status, kind in _STATUS:
        if isinstance(error, known):
            away = "The record or the catalog is away, so nothing was changed."
            return _fault(status, kind, away if status == 503 else str(error))
    return _fault(400, "", str(error))


def _fault(status: int, kind: str, detail: str) -> Response:
    body = {"schemas": [ERROR], "status": str(status), "detail": detail}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return ScimReply({**body, "scimType": kind} if kind else body, status, headers)
