"""Who may read what: principals, access lists and the one gate every chunk passes."""

import json
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NewType

from corpus.documents import Chunk, ChunkId, DocumentId, Version, VersionId

AccessListId = NewType("AccessListId", int)


class PrincipalKind(StrEnum):
    """What a principal is."""

    PERSON = "person"
    GROUP = "group"
    SERVICE = "service"


class Effect(StrEnum):
    """What an entry of an access list does."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        name: The account's name.
        groups: Names of the groups that the account itself is in, now. The catalog adds those
            it keeps and those that contain these.
        roles: What the person may do, as `rag.roles` names it; none of them opens a document.
        kind: A person or a service account.
    """

    name: str
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    kind: PrincipalKind = PrincipalKind.PERSON


@dataclass(frozen=True, slots=True, order=True)
class Named:
    """A principal as an access list names it.

    Attributes:
        kind: A person, a group or a service account.
        name: Of people and service accounts without regard to case, as accounts are.
    """

    kind: PrincipalKind
    name: str

    def __post_init__(self) -> None:
        if self.kind is not PrincipalKind.GROUP:
            folded = unicodedata.normalize("NFKC", self.name).strip().casefold()
            object.__setattr__(self, "name", folded)

    @property
    def key(self) -> str:
        """Return it in one word, as tables hold it."""
        return f"{self.kind}:{self.name}"

    @classmethod
    def of_key(cls, key: str) -> "Named":
        """Return the principal that a key names.

        Raises:
            ValueError: It is not a key.
        """
        kind, separator, name = key.partition(":")
        if not separator or not name.strip():
            raise ValueError(f"{key!r} names nobody: write person:NAME, group:NAME or service:NAME")
        return cls(PrincipalKind(kind), name.strip())

    @classmethod
    def asker(cls, principal: Principal) -> "Named":
        """Return who asks, as a list would name them."""
        return cls(principal.kind, principal.name)


def group_named(name: str) -> Named:
    """Return a group."""
    return Named(PrincipalKind.GROUP, name)


def person_named(name: str) -> Named:
    """Return a person."""
    return Named(PrincipalKind.PERSON, name)


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One line of an access list.

    Attributes:
        effect: Admit or shut out.
        principal: Whom.
        expires_at: When it ends (UTC); None for never.
    """

    effect: Effect
    principal: Named
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccessList:
    """Who is admitted to a document, who is shut out, and how it is marked.

    A list without an entry that allows admits nobody.

    Attributes:
        entries: In any order; one that denies outweighs every one that allows.
        marking: The protective marking that a reader must be cleared for; empty for none.
    """

    entries: frozenset[AccessEntry]
    marking: str = ""

    @classmethod
    def of_groups(cls, groups: Iterable[str]) -> "AccessList":
        """Return the list that admits some groups."""
        return cls(frozenset(AccessEntry(Effect.ALLOW, group_named(name)) for name in groups))

    def admits(self, names: Collection[Named], *, cleared: Collection[str], now: datetime) -> bool:
        """Say whether somebody known by these names may read what the list guards.

        Args:
            names: The person and every group that contains them.
            cleared: The markings that the person may read.
            now: The time, in UTC.
        """
        holding = [
            entry
            for entry in self.entries
            if entry.principal in names and (entry.expires_at is None or entry.expires_at > now)
        ]
        return (
            any(entry.effect is Effect.ALLOW for entry in holding)
            and not any(entry.effect is Effect.DENY for entry in holding)
            and (not self.marking or self.marking in cleared)
        )

    def canonical(self) -> str:
        """Return one text for one list, whatever the order of its entries.

        Of several entries for one principal only the one that holds longest counts.
        """
        longest: dict[tuple[str, str], str] = {}
        for entry in self.entries:
            key = (entry.effect.value, entry.principal.key)
            until = "" if entry.expires_at is None else _written(entry.expires_at)
            held = longest.get(key)
            longest[key] = (
                until if held is None else "" if "" in (held, until) else max(held, until)
            )
        lines = [[effect, key, until] for (effect, key), until in sorted(longest.items())]
        return json.dumps([self.marking, lines], ensure_ascii=True)

    @classmethod
    def of_canonical(cls, text: str) -> "AccessList":
        """Return the list that ``canonical`` wrote."""
        marking, lines = json.loads(text)
        entries = frozenset(
            AccessEntry(
                Effect(effect),
                Named.of_key(key),
                datetime.fromisoformat(until) if until else None,
            )
            for effect, key, until in lines
        )
        return cls(entries, marking)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class UncheckedChunk:
    """A chunk as retrieval found it: nobody has yet asked whether its reader may see it.

    Attributes:
        chunk_id: Its id.
        document_id: Document it belongs to.
        version_id: Version it was cut from.
        version_number: That version's number, from 1.
        title: The document's title.
        path: The document's path relative to its source.
        source_name: The source's name.
        chunk: Its span and surroundings.
        text: The text of its span.
        marking: The document's protective marking; empty for none.
    """

    chunk_id: ChunkId
    document_id: DocumentId
    version_id: VersionId
    version_number: int
    title: str
    path: str
    source_name: str
    chunk: Chunk
    text: str
    marking: str = ""

    def is_suspicious(self, start: int, end: int) -> bool:
        """Say whether a span of its text holds something that speaks to the machine."""
        first = self.chunk.start
        return any(
            one.start < first + end and first + start < one.end for one in self.chunk.suspicions
        )


_GATE_SEAL: Final = object()


@dataclass(frozen=True, slots=True)
class AuthorizedChunk:
    """A chunk that the gate has let through for one principal. Only the gate can make one."""

    found: UncheckedChunk
    reader: str
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _GATE_SEAL:
            raise TypeError("only corpus.access.Gate makes an AuthorizedChunk")


@dataclass(frozen=True, slots=True)
class AuthorizedVersion:
    """A version that the gate has let through for one principal. Only the gate can make one."""

    version: Version
    reader: str
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _GATE_SEAL:
            raise TypeError("only corpus.access.Gate makes an AuthorizedVersion")


class Gate:
    """The one place where reading is decided.

    Args:
        admitting_lists: Returns the ids of all access lists that admit a principal, read
            from the authority (the catalog) at every call.
        readable_versions: Returns which of the given versions a principal may read now.
        epoch: Returns a number that moves whenever rights, groups or clearances do.
        opened: Told of every version before it is handed out for reading; what it raises keeps
            the version shut.
    """

    def __init__(
        self,
        *,
        admitting_lists: Callable[[Principal], Collection[AccessListId]],
        readable_versions: Callable[[Principal, Collection[VersionId]], Collection[VersionId]],
        epoch: Callable[[], int] = lambda: 0,
        opened: Callable[[Principal, Collection[VersionId]], None] = lambda _who, _what: None,
    ) -> None:
        self._admitting_lists = admitting_lists
        self._readable_versions = readable_versions
        self._epoch = epoch
        self._opened = opened

    def epoch(self) -> int:
        """Return the state that rights are in; while it stays, so does every decision."""
        return self._epoch()

    def lists_for(self, principal: Principal) -> frozenset[AccessListId]:
        """Return the access lists to search in. Empty means: do not ask the index at all."""
        return frozenset(self._admitting_lists(principal))

    def may_read(self, principal: Principal, version_id: VersionId) -> bool:
        """Say whether a person may read a version now."""
        return version_id in self.readable_among(principal, [version_id])

    def readable_among(
        self, principal: Principal, version_ids: Collection[VersionId]
    ) -> frozenset[VersionId]:
        """Return which of some versions a person may read now, looked up at once."""
        return frozenset(self._readable_versions(principal, version_ids))

    def open_version(self, principal: Principal, version: Version) -> AuthorizedVersion | None:
        """Return a version for reading, or None when the principal may not read it now."""
        if not self.may_read(principal, version.version_id):
            return None
        self._opened(principal, [version.version_id])
        return AuthorizedVersion(version, principal.name, _GATE_SEAL)

    def may_still_read(self, principal: Principal, chunks: Collection[AuthorizedChunk]) -> bool:
        """Say whether a principal may read every one of some chunks now."""
        wanted = {chunk.found.version_id for chunk in chunks}
        return wanted <= self.readable_among(principal, wanted)

    def authorize(
        self, principal: Principal, chunks: Sequence[UncheckedChunk]
    ) -> list[AuthorizedChunk]:
        """Return those chunks that the principal may read, in the order given."""
        readable = self.readable_among(principal, {chunk.version_id for chunk in chunks})
        if readable:
            self._opened(principal, readable)
        return [
            AuthorizedChunk(chunk, principal.name, _GATE_SEAL)
            for chunk in chunks
            if chunk.version_id in readable
        ]
