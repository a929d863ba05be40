"""Who may read what: principals, access lists and the one gate every chunk passes."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, NewType

from corpus.documents import Chunk, ChunkId, DocumentId, VersionId

AccessListId = NewType("AccessListId", int)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        name: The account's name.
        groups: Names of the groups the person is in, now.
        roles: What the person may do besides reading: "administrator", "auditor".
    """

    name: str
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AccessList:
    """The groups admitted to a document. An empty list admits nobody."""

    groups: frozenset[str]

    def admits(self, principal: Principal) -> bool:
        """Say whether this person may read what the list guards."""
        return not self.groups.isdisjoint(principal.groups)


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


class Gate:
    """The one place where reading is decided.

    Args:
        admitting_lists: Returns the ids of all access lists that admit a principal, read
            from the authority (the catalog) at every call.
        readable_versions: Returns which of the given versions a principal may read now.
    """

    def __init__(
        self,
        *,
        admitting_lists: Callable[[Principal], Collection[AccessListId]],
        readable_versions: Callable[[Principal, Collection[VersionId]], Collection[VersionId]],
    ) -> None:
        self._admitting_lists = admitting_lists
        self._readable_versions = readable_versions

    def lists_for(self, principal: Principal) -> frozenset[AccessListId]:
        """Return the access lists to search in. Empty means: do not ask the index at all."""
        return frozenset(self._admitting_lists(principal))

    def may_read(self, principal: Principal, version_id: VersionId) -> bool:
        """Say whether a person may read a version now."""
        return version_id in self._readable_versions(principal, [version_id])

    def authorize(
        self, principal: Principal, chunks: Sequence[UncheckedChunk]
    ) -> list[AuthorizedChunk]:
        """Return those chunks that the principal may read, in the order given."""
        readable = self._readable_versions(principal, {chunk.version_id for chunk in chunks})
        return [
            AuthorizedChunk(chunk, principal.name, _GATE_SEAL)
            for chunk in chunks
            if chunk.version_id in readable
        ]
