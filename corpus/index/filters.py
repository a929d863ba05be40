"""Which points a search may see: a small filter tree that each engine's adapter translates."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from corpus.access import AccessListId
from corpus.documents import ChunkId, DocumentId, VersionId

STATE = "state"
ACCESS_LIST = "access_list"
DOCUMENT = "document"
VERSION = "version"
PLACE = "place"

LIVE = "live"
STAGED = "staged"
FIRST = "first"
LATER = "later"
"""Keywords, not booleans: qdrant-edge 0.9 finds nothing when asked for a boolean."""


@dataclass(frozen=True, slots=True)
class Equal:
    """The payload's value under a key is this one."""

    key: str
    value: str | int


@dataclass(frozen=True, slots=True)
class AnyWord:
    """The payload's value under a key is one of these words."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnyNumber:
    """The payload's value under a key is one of these numbers."""

    key: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AnyChunk:
    """The point is one of these chunks."""

    chunk_ids: tuple[ChunkId, ...]


Condition: TypeAlias = Equal | AnyWord | AnyNumber | AnyChunk


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the conditions holds."""

    conditions: tuple[Condition, ...]


def readable(access_lists: Collection[AccessListId]) -> All:
    """Admit live points that stand under one of the access lists."""
    return All((Equal(STATE, LIVE), AnyNumber(ACCESS_LIST, tuple(sorted(access_lists)))))


def within(base: All, documents: Collection[DocumentId] | None) -> All:
    """Narrow a filter to some documents; None leaves it as it is."""
    if documents is None:
        return base
    return All((*base.conditions, AnyWord(DOCUMENT, tuple(sorted(documents)))))


def among(base: All, chunk_ids: Collection[ChunkId]) -> All:
    """Narrow a filter to some chunks."""
    return All((*base.conditions, AnyChunk(tuple(sorted(chunk_ids)))))


def first_chunks(base: All) -> All:
    """Narrow a filter to the first chunk of every version, which stands for its document."""
    return All((*base.conditions, Equal(PLACE, FIRST)))


def of_version(version_id: VersionId) -> All:
    """Admit the points of one version, live or not."""
    return All((Equal(VERSION, version_id),))


def of_document(document_id: DocumentId) -> All:
    """Admit the points of one document, live or not."""
    return All((Equal(DOCUMENT, document_id),))


def in_state(*, live: bool) -> All:
    """Admit points that are live, or points that are not."""
    return All((Equal(STATE, LIVE if live else STAGED),))
