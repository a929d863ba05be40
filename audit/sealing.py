"""From an event to the rows of an entry: envelope, commitment, encrypted payload, tiles.

What does not depend on the place of the entry is done before the record is locked
(:func:`prepare`), the rest under the lock (:class:`Sealer`).
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from audit.canonical import (
    RANDOM_BYTES_OF_AN_ID,
    Json,
    canonical,
    commitment,
    leaf_hash,
    pseudonym,
    sortable_id,
    timestamp,
)
from audit.circumstances import Circumstances, Program
from audit.events import Event, Parts, take_apart
from audit.keys import HOUSE, PayloadKeys, Randomness
from audit.store import (
    Batch,
    EntryRow,
    Head,
    KeyRow,
    PayloadRow,
    Removal,
    TileRow,
    Writing,
    period_of,
)
from audit.tree import GrowingTree

FORMAT_VERSION = 1
SALT_BYTES = 32
KEYED_HASH_BYTES = 16
DOCUMENT_FIELDS = ("document_id", "doc")
"""Names under which envelopes, and the records in them, name a document."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event, taken apart, with everything that does not depend on its place.

    Attributes:
        type: Its name on the record.
        parts: Its fields for the envelope and the payload.
        common: What the envelope says of actor, origin and request.
        salt: Of the commitment.
        body: The payload's canonical JSON; None where there is none.
    """

    type: str
    parts: Parts
    common: dict[str, Json]
    salt: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry's row, and what is beside it."""

    row: EntryRow
    envelope: dict[str, Json]
    body: bytes | None


class Pseudonyms:
    """Turns names, addresses and tokens into what may stand in an envelope.

    Args:
        pepper: The secret of this record.
    """

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    def of_person(self, name: str) -> str:
        """Return the pseudonym of a person, or of a person as an issuer knows them."""
        return pseudonym(self._pepper, name)

    def of_thing(self, kind: str, value: str) -> str:
        """Return the keyed hash of an address, a token or a machine, marked with its kind."""
        message = f"{kind}\0{value}".encode("utf-8", "backslashreplace")
        digest = hmac.new(self._pepper, message, hashlib.sha256).digest()
        return f"{kind}:{digest[:KEYED_HASH_BYTES].hex()}"


def prepare(
    event: Event,
    *,
    circumstances: Circumstances,
    program: Program,
    pseudonyms: Pseudonyms,
    randomness: Randomness,
) -> Prepared:
    """Take an event apart.

    Raises:
        EventInvalid: It holds text where only ids and numbers may stand.
    """
    parts = take_apart(event, pseudonym_of=pseudonyms.of_person)
    payload = dict(parts.payload)
    if parts.pseudonym is not None:
        beside = {"ip": circumstances.address, "user_agent": circumstances.user_agent}
        payload |= {name: value for name, value in beside.items() if value}
    return Prepared(
        type=event.type,
        parts=parts,
        common=_common(parts, circumstances, program, pseudonyms),
        salt=randomness(SALT_BYTES),
        body=canonical(payload) if payload else None,
    )


def _common(
    parts: Parts, circumstances: Circumstances, program: Program, pseudonyms: Pseudonyms
) -> dict[str, Json]:
    """What every envelope says beside its own fields; what is not known is left out."""
    acting = parts.pseudonym is not None
    behalf, address = circumstances.on_behalf_of, circumstances.address
    session, issuer = circumstances.session, circumstances.issuer
    actor: dict[str, Json] = _known(
        authn=circumstances.authn,
        iss_h=pseudonyms.of_thing("i", issuer) if issuer else "",
        sess=pseudonyms.of_thing("s", session) if session else "",
        on_behalf_of=pseudonyms.of_person(behalf) if behalf else "",
    )
    source = _known(
        app=program.name,
        host=pseudonyms.of_thing("h", program.host) if program.host else "",
        ip_h=pseudonyms.of_thing("ip", address) if address else "",
    )
    software = _known(
        version=program.version, commit=program.commit, sbom_sha256=program.sbom_sha256
    )
    common: dict[str, Json] = {
        "actor": {"pid": parts.pseudonym, **(actor if acting else {})},
        **_known(
            tenant=circumstances.tenant,
            matter=circumstances.matter,
            request_id=circumstances.request_id,
            parent=circumstances.parent,
        ),
    }
    if source:
        common["src"] = source
    if software:
        common["sw"] = software
    return common


def _known(**values: str) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value}


@dataclass(slots=True)
class Sealer:
    """Gives events their places, one after the other, within one transaction.

    Attributes:
        writing: The transaction.
        tree: The right edge of the tree at the head; grows.
        keys: Encrypts payloads.
        clock: Gives times with a zone.
        monotonic: Microseconds that never run backwards on this machine.
        randomness: Gives that many random bytes.
    """

    writing: Writing
    tree: GrowingTree
    keys: PayloadKeys
    clock: Callable[[], datetime]
    monotonic: Callable[[], int]
    randomness: Randomness
    head: Head = field(init=False)
    _sealed: list[Sealed] = field(default_factory=list, init=False)
    _payloads: list[PayloadRow] = field(default_factory=list, init=False)
    _new_keys: dict[tuple[str, str], KeyRow] = field(default_factory=dict, init=False)
    _tiles: list[TileRow] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.head = self.writing.head

    def seal(self, prepared: Prepared) -> Sealed:
        """Give an event the next place."""
        at = self.clock()
        written_at, sequence = timestamp(at), self.head.size
        key = self._key_for(prepared, at) if prepared.body is not None else None
        envelope: dict[str, Json] = {
            **prepared.parts.envelope,
            **prepared.common,
            "v": FORMAT_VERSION,
            "seq": sequence,
            "id": sortable_id(at, self.randomness(RANDOM_BYTES_OF_AN_ID)),
            "ts": written_at,
            "mono": self.monotonic(),
            "type": prepared.type,
            "payload_commitment": (
                commitment(salt=prepared.salt, body=prepared.body) if prepared.body else None
            ),
            "payload_key": key.key_id if key else None,
            "prev_leaf_hash": self.head.leaf_hash or None,
        }
        line = canonical(envelope)
        leaf = leaf_hash(line)
        row = EntryRow(
            sequence=sequence,
            line=line,
            leaf_hash=leaf,
            type=prepared.type,
            at=written_at,
            pid=prepared.parts.pseudonym,
            matter=_text(envelope.get("matter")),
            documents=documents_of(envelope),
        )
        if key is not None and prepared.body is not None:
            self._payloads.append(self._encrypted(sequence, key, prepared.salt, prepared.body))
        self._tiles += self.tree.add(bytes.fromhex(leaf))
        self.head = Head(sequence + 1, leaf, written_at)
        sealed = Sealed(row, envelope, prepared.body)
        self._sealed.append(sealed)
        return sealed

    def batch(self, removal: Removal) -> Batch:
        """Return everything that was sealed, to be written."""
        return Batch(
            entries=tuple(sealed.row for sealed in self._sealed),
            payloads=tuple(self._payloads),
            keys=tuple(self._new_keys.values()),
            tiles=tuple(self._tiles),
            removal=removal,
        )

    def _key_for(self, prepared: Prepared, at: datetime) -> KeyRow:
        """The data key of whom the payload is about, for this month; made where there is none."""
        subject = prepared.parts.about or prepared.parts.pseudonym or HOUSE
        period = period_of(at)
        if (subject, period) in self._new_keys:
            return self._new_keys[subject, period]
        key = self.writing.live_key(subject, period)
        if key is None:
            number = self.writing.key_count(subject, period) + 1
            key_id = f"k:{subject}:{period}" + (f":{number}" if number > 1 else "")
            key = KeyRow(key_id, subject, period, self.keys.make(key_id))
            self._new_keys[subject, period] = key
        return key

    def _encrypted(self, sequence: int, key: KeyRow, salt: bytes, body: bytes) -> PayloadRow:
        nonce, ciphertext = self.keys.seal(
            sequence=sequence,
            key_id=key.key_id,
            wrapped=key.wrapped or b"",
            salt=salt,
            body=body,
        )
        return PayloadRow(sequence, key.key_id, nonce, ciphertext)


def documents_of(envelope: dict[str, Json]) -> tuple[str, ...]:
    """Return the ids of the documents an envelope names, itself or in its records."""
    found: dict[str, None] = {}
    for part in (envelope, *_records(envelope)):
        for name in DOCUMENT_FIELDS:
            value = part.get(name)
            if isinstance(value, str) and value:
                found[value] = None
    return tuple(found)


def _records(envelope: dict[str, Json]) -> Sequence[dict[str, Json]]:
    return [
        record
        for value in envelope.values()
        if isinstance(value, list)
        for record in value
        if isinstance(record, dict)
    ]


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
