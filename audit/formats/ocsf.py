"""OCSF 1.9: one JSON object a line, in the class that fits each kind of event.

Derived, so it carries no attestation of its own: the profile of record integrity attests the OCSF
object, which nobody signed. What was signed is named instead: sequence number and leaf hash.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from audit.entries import Entry
from audit.formats.rows import About, Row, milliseconds_since_1970, row_of

SCHEMA_VERSION: Final = "1.9.0"
AI_PROFILE: Final = "ai_operation"
USER, ASSISTANT, RETRIEVER = 1, 2, 6
VECTOR_DATABASE: Final = 7
REGULAR_FILE: Final = 1
OTHER: Final = 99
FAILURES: Final = frozenset({"denied", "failed", "error", "refused", "quarantined", "missed"})

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OcsfClass:
    """A class of OCSF and what it is made of beside what every class has."""

    uid: int
    name: str
    parts: tuple[str, ...]


API: Final = OcsfClass(6003, "API Activity", ("actor", "src_endpoint", "api", "resources"))
DATASTORE: Final = OcsfClass(6005, "Datastore Activity", ("actor", "src_endpoint", "database"))
FILE_HOSTING: Final = OcsfClass(6006, "File Hosting Activity", ("actor", "src_endpoint", "file"))
LIFECYCLE: Final = OcsfClass(6002, "Application Lifecycle", ("app",))
AUTHENTICATION: Final = OcsfClass(3002, "Authentication", ("actor", "user", "service"))
ENTITY: Final = OcsfClass(3004, "Entity Management", ("actor", "entity"))
FAULT: Final = OcsfClass(6008, "Application Error", ())
USERS: Final = OcsfClass(3007, "User Management", ("actor", "subject"))

ACTIVITIES: Final[dict[int, dict[int, str]]] = {
    6003: {1: "Create", 2: "Read", 3: "Update", 4: "Delete"},
    6005: {4: "Query"},
    6006: {1: "Upload", 2: "Download", 3: "Update", 4: "Delete", 7: "Move", 9: "Preview"},
    6002: {3: "Start", 4: "Stop"},
    3002: {1: "Logon", 2: "Logoff"},
    3004: {1: "Create", 2: "Read", 3: "Update", 4: "Delete"},
    3007: {2: "Update"},
    6008: {1: "General Error"},
}
"""Those of each class's activities that events are mapped to."""

MAPPING: Final[dict[str, tuple[OcsfClass, int]]] = {
    "auth.login": (AUTHENTICATION, 1),
    "auth.fail": (AUTHENTICATION, 1),
    "auth.logout": (AUTHENTICATION, 2),
    "auth.lockout": (AUTHENTICATION, OTHER),
    "auth.mfa": (AUTHENTICATION, OTHER),
    "session.revoke": (AUTHENTICATION, 2),
    "rag.ask": (API, 1),
    "rag.retrieve": (DATASTORE, 4),
    "rag.sentence": (API, 2),
    "rag.answer": (API, 2),
    "rag.refuse": (API, 2),
    "rag.feedback": (API, 3),
    "access.denied": (API, 2),
    "doc.ingest": (FILE_HOSTING, 1),
    "doc.update": (FILE_HOSTING, 3),
    "doc.reindex": (FILE_HOSTING, 3),
    "index.adapt": (API, 3),
    "doc.move": (FILE_HOSTING, 7),
    "doc.delete": (FILE_HOSTING, 4),
    "doc.erase": (FILE_HOSTING, 4),
    "doc.view": (FILE_HOSTING, 9),
    "doc.download": (FILE_HOSTING, 2),
    "doc.quarantine": (FILE_HOSTING, OTHER),
    "admin.user.change": (USERS, 2),
    "admin.role.change": (USERS, 2),
    "admin.config": (ENTITY, 3),
    "acl.change": (ENTITY, 3),
    "acl.sync": (ENTITY, 3),
    "access.explain": (API, 2),
    "access.break_glass": (ENTITY, OTHER),
    "access.break_glass.use": (ENTITY, 2),
    "group.sync": (ENTITY, 3),
    "conversation.view": (ENTITY, 2),
    "conversation.delete": (ENTITY, 4),
    "hold.add": (ENTITY, 1),
    "hold.lift": (ENTITY, 4),
    "hold.prevent": (ENTITY, OTHER),
    "audit.approve": (ENTITY, OTHER),
    "audit.view": (API, 2),
    "audit.verify": (API, 2),
    "export.audit": (API, 2),
    "export.data": (API, 2),
    "dsar.export": (API, 2),
    "audit.erasure": (ENTITY, 4),
    "audit.disposal": (ENTITY, 4),
    "audit.redaction": (ENTITY, 4),
    "audit.checkpoint": (LIFECYCLE, OTHER),
    "audit.heartbeat": (LIFECYCLE, OTHER),
    "audit.gap": (FAULT, 1),
    "clock.step": (FAULT, 1),
    "system.start": (LIFECYCLE, 3),
    "system.stop": (LIFECYCLE, 4),
}
FAMILIES: Final[dict[str, tuple[OcsfClass, int]]] = {
    "auth": (AUTHENTICATION, OTHER),
    "doc": (FILE_HOSTING, OTHER),
    "admin": (ENTITY, 3),
    "conversation": (ENTITY, 3),
    "system": (LIFECYCLE, OTHER),
}
"""For types that the table above does not name, by their family; any other is API activity."""

AI_ROLES: Final = {"rag.ask": USER, "rag.retrieve": RETRIEVER, "rag.answer": ASSISTANT}
SEVERITIES: Final = {"denied": 3, "error": 3, "failed": 2, "refused": 2, "quarantined": 2}
INFORMATIONAL: Final = 1


def write(entries: Iterable[Entry], about: About) -> Iterator[bytes]:
    """Yield an event a line."""
    for entry in entries:
        event = event_of(entry, about)
        yield json.dumps(event, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def event_of(entry: Entry, about: About) -> Values:
    """Return an entry as an OCSF event."""
    row = row_of(entry)
    ocsf, activity = class_of(entry.type)
    failed = entry.outcome in FAILURES
    event: Values = {
        "activity_id": activity,
        "activity_name": ACTIVITIES[ocsf.uid].get(activity, entry.type),
        "category_uid": ocsf.uid // 1000,
        "class_name": ocsf.name,
        "class_uid": ocsf.uid,
        "type_uid": ocsf.uid * 100 + activity,
        "time": milliseconds_since_1970(entry.at),
        "severity_id": SEVERITIES.get(entry.outcome, INFORMATIONAL),
        "status_id": 2 if failed else 1,
        "status_detail": row.reason or entry.outcome,
        "message": row.summary,
        "metadata": _metadata(row, about),
        "raw_data_hash": {
            "algorithm_id": OTHER,
            "algorithm": "SHA-256 of a leaf (RFC 9162)",
            "value": row.leaf_hash,
        },
        "unmapped": {
            "seq": row.seq,
            "leaf_hash": row.leaf_hash,
            "prev_leaf_hash": entry.envelope.get("prev_leaf_hash"),
            "envelope": row.envelope,
        },
    }
    for part in ocsf.parts:
        event |= PARTS[part](row, entry)
    if entry.type in AI_ROLES:
        event |= _ai_operation(row, AI_ROLES[entry.type])
    return event


def class_of(kind: str) -> tuple[OcsfClass, int]:
    """Return the class and the activity of a type of event."""
    return MAPPING.get(kind) or FAMILIES.get(kind.partition(".")[0]) or (API, OTHER)


def _metadata(row: Row, about: About) -> Values:
    metadata: Values = {
        "version": SCHEMA_VERSION,
        "product": {"name": "Muniment", "vendor_name": "Muniment", "version": about.version},
        "log_name": about.origin,
        "uid": row.id,
        "sequence": row.seq,
        "event_code": row.type,
        "original_time": f"{row.at:%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    if row.request:
        metadata["correlation_uid"] = row.request
    if row.type in AI_ROLES:
        metadata["profiles"] = [AI_PROFILE]
    return metadata


def _ai_operation(row: Row, role: int) -> Values:
    context: Values = {"ai_role_id": role, "application": {"name": "Muniment"}}
    if row.request:
        context["uid"] = row.request
    if row.question:
        context["prompt_text"] = row.question
    if row.answer:
        context["response_text"] = row.answer
    operation: Values = {"message_context": context}
    if row.model:
        operation["ai_model"] = {"name": row.model, "ai_provider": "on premises"}
    return operation


def _user(uid: str, name: str) -> Values:
    user = {key: value for key, value in (("uid", uid), ("name", name)) if value}
    return user or {"name": "unknown"}


def _actor(row: Row, entry: Entry) -> Values:
    del entry
    if row.pseudonym or row.person:
        return {"actor": {"user": _user(row.pseudonym, row.person)}}
    return {"actor": {"app_name": "Muniment"}}


def _subject(row: Row, entry: Entry) -> Values:
    del row
    subject = entry.envelope.get("subject")
    pid = subject.get("pid") if isinstance(subject, dict) else ""
    name = (entry.payload or {}).get("name")
    return {"user": _user(str(pid or ""), str(name or ""))}


def _entity(row: Row, entry: Entry) -> Values:
    del entry
    uid = next(iter(row.documents), "") or row.matter
    return {"entity": {"name": row.type, "type": row.type, **({"uid": uid} if uid else {})}}


def _file(row: Row, entry: Entry) -> Values:
    payload, envelope = entry.payload or {}, entry.envelope
    uid = next(iter(row.documents), "") or str(envelope.get("version_id") or "")
    path = str(payload.get("path") or "")
    file: Values = {
        "name": PurePosixPath(path).name or uid or "unknown",
        "type_id": REGULAR_FILE,
    }
    if path:
        file["path"] = path
    if uid:
        file["uid"] = uid
    original = envelope.get("original")
    if isinstance(original, str) and original:
        file["hashes"] = [{"algorithm_id": 3, "algorithm": "SHA-256", "value": original}]
    return {"file": file}


def _resources(row: Row, entry: Entry) -> Values:
    del entry
    if not row.documents:
        return {}
    return {"resources": [{"uid": document, "type": "document"} for document in row.documents]}


PARTS: Final[dict[str, Callable[[Row, Entry], Values]]] = {
    "actor": _actor,
    "user": lambda row, _: {"user": _user(row.pseudonym, row.person)},
    "subject": _subject,
    "entity": _entity,
    "file": _file,
    "resources": _resources,
    "src_endpoint": lambda _row, _: {"src_endpoint": {"svc_name": "muniment"}},
    "api": lambda row, _: {"api": {"operation": row.type}},
    "database": lambda _row, _: {"database": {"name": "corpus", "type_id": VECTOR_DATABASE}},
    "service": lambda _row, _: {"service": {"name": "Muniment"}},
    "app": lambda _row, _: {"app": {"name": "Muniment"}},
}
"""What each part of a class is made of."""
