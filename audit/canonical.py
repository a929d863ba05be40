"""The written form of an entry: canonical JSON (RFC 8785), its hashes, ids and pseudonyms."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from numbers import Integral, Real
from typing import TypeAlias

import rfc8785

from audit.errors import EventInvalid

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

LEAF_PREFIX = b"\x00"
"""Domain separation of leaves from nodes, RFC 9162 section 2.1.1."""

PSEUDONYM_BYTES = 16
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID_CHARACTERS = 26
RANDOM_BYTES_OF_AN_ID = 10


def canonical(value: Json) -> bytes:
    """Return the one byte string that RFC 8785 allows for a value.

    Raises:
        EventInvalid: A number has no canonical form (not finite, or an integer of 2^53 or more).
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise EventInvalid(
            "An event holds a number that JSON cannot carry exactly "
            "(not finite, or an integer of 2^53 or more); correct the caller."
        ) from error


def plain(value: object) -> Json:
    """Return a value as JSON knows it.

    Tuples become lists, enumerations and array scalars their plain value. Text that has no
    UTF-8 form (a file name in a foreign encoding) is written with backslash escapes, so that
    such a name can be recorded at all.

    Raises:
        EventInvalid: The value has no JSON form.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Mapping):
        return {str(plain(str(key))): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    raise EventInvalid(f"An event holds a {type(value).__name__}, which JSON does not know.")


def leaf_hash(line: bytes) -> str:
    """Return the hex hash under which an envelope enters the chain (and later the tree)."""
    return hashlib.sha256(LEAF_PREFIX + line).hexdigest()


def commitment(*, salt: bytes, body: bytes) -> str:
    """Return what an envelope says of its payload: it binds, and tells nothing without the salt."""
    return hashlib.sha256(salt + body).hexdigest()


def pseudonym(pepper: bytes, name: str) -> str:
    """Return the name under which a person stands in envelopes.

    Without the pepper, a list of names does not give the pseudonyms; with it, the same name
    always gives the same one.
    """
    digest = hmac.new(pepper, name.encode("utf-8", "backslashreplace"), hashlib.sha256).digest()
    return "a:" + digest[:PSEUDONYM_BYTES].hex()


def timestamp(at: datetime) -> str:
    """Return a moment as UTC with microseconds; such strings sort as the moments do."""
    if at.tzinfo is None:
        raise EventInvalid("The clock of the record gives times without a zone; pass UTC times.")
    moment = at.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"


def moment(written: str) -> datetime:
    """Return the moment that a timestamp of the record states.

    Raises:
        ValueError: It is not a timestamp.
    """
    return datetime.fromisoformat(written)


def sortable_id(at: datetime, randomness: bytes) -> str:
    """Return an id in the form of a ULID: 48 bits of milliseconds, 80 bits of randomness."""
    milliseconds = int(at.timestamp() * 1000)
    value = (milliseconds << 80) | int.from_bytes(randomness[:RANDOM_BYTES_OF_AN_ID])
    digits = [CROCKFORD[(value >> 5 * place) & 31] for place in range(ULID_CHARACTERS)]
    return "".join(reversed(digits))
