"""The embedded index: Qdrant's own engine inside this process, owned by it alone."""

import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import assert_never

import qdrant_edge as edge

from corpus.access import AccessListId
from corpus.documents import ChunkId, DocumentId, VersionId
from corpus.errors import IndexMismatch, IndexUnavailable
from corpus.index import filters
from corpus.index.filters import All, AnyChunk, AnyNumber, AnyWord, Condition, Equal
from corpus.index.port import (
    DENSE,
    FACTS,
    LAYOUT,
    NAMED_DOCUMENTS,
    NAMES,
    SPARSE,
    Payload,
    Point,
    Rankings,
    Scored,
    Scores,
    batches,
    best_first,
    completed,
    facts_of,
    nothing_to_search,
    payload_of,
)
from corpus.vectors import FloatVector, QuestionTerms, SparseVector

EVERY_VERSION = 10_000_000
"""More versions than one embedded index will hold."""

_KEYS = {
    filters.STATE: edge.PayloadSchemaType.Keyword,
    filters.ACCESS_LIST: edge.PayloadSchemaType.Integer,
    filters.DOCUMENT: edge.PayloadSchemaType.Keyword,
    filters.VERSION: edge.PayloadSchemaType.Keyword,
    filters.PLACE: edge.PayloadSchemaType.Keyword,
}


class EdgeIndex:
    """A ``VectorIndex`` in a folder.

    Opening it locks the folder until ``close``: a second opener, in this process or another,
    gets ``IndexUnavailable``.

    Args:
        folder: Made when missing.
        dimension: Length of the dense vectors.
        fingerprint: Of the embedding model; kept beside the points.
    """

    def __init__(self, *, folder: Path, dimension: int, fingerprint: str) -> None:
        self._folder = folder
        self._lock = _lock(folder)
        try:
            with _translated(folder):
                self._shard = _open_shard(folder, dimension, fingerprint)
        except BaseException:
            os.close(self._lock)
            raise
        self._closed = False

    def upsert(self, points: Sequence[Point]) -> None:
        """See ``VectorIndex``."""
        for batch in batches(points):
            self._update(edge.UpdateOperation.upsert_points([_edge_point(p) for p in batch]))

    def rankings(
        self,
        *,
        dense: FloatVector,
        sparse: QuestionTerms,
        access_lists: Collection[AccessListId],
        limit: int,
        documents: Collection[DocumentId] | None = None,
    ) -> Rankings:
        """See ``VectorIndex``."""
        if nothing_to_search(access_lists, documents):
            return Rankings([], [])
        readable = filters.readable(access_lists)
        found = filters.within(readable, documents)
        meaning = edge.Query.Nearest(dense.tolist(), using=DENSE)
        by_meaning = self._query(meaning, found, limit)
        by_words = self._by_terms(sparse.weights, SPARSE, found, readable, limit)

        def meaning_of(chunk_ids: Sequence[ChunkId]) -> Scores:
            return _scores(self._hits(meaning, filters.among(found, chunk_ids), len(chunk_ids)))

        def words_of(chunk_ids: Sequence[ChunkId]) -> Scores:
            within = filters.among(found, chunk_ids)
            return _scores(
                self._hits(
                    _terms(sparse.weights, SPARSE),
                    within,
                    len(chunk_ids),
                    params=_weighed(readable),
                )
            )

        by_names: list[Scored] = []
        if documents is None:
            first = filters.first_chunks(readable)
            by_names = self._by_terms(sparse.names, NAMES, first, first, NAMED_DOCUMENTS)
        return Rankings(
            completed(by_meaning, by_words, meaning_of),
            completed(by_words, by_meaning, words_of),
            by_names,
        )

    def make_live(self, version_id: VersionId) -> None:
        """See ``VectorIndex``."""
        self._set(filters.of_version(version_id), {filters.STATE: filters.LIVE})

    def remove_version(self, version_id: VersionId) -> None:
        """See ``VectorIndex``."""
        condition = _translate(filters.of_version(version_id))
        self._update(edge.UpdateOperation.delete_points_by_filter(condition))

    def remove_chunks(self, chunk_ids: Sequence[ChunkId]) -> None:
        """See ``VectorIndex``."""
        if chunk_ids:
            self._update(edge.UpdateOperation.delete_points(list(chunk_ids)))

    def set_access_list(self, document_id: DocumentId, access_list: AccessListId) -> None:
        """See ``VectorIndex``."""
        self._set(filters.of_document(document_id), {filters.ACCESS_LIST: access_list})

    def count(self) -> int:
        """See ``VectorIndex``."""
        with _translated(self._folder):
            return int(self._shard.count(edge.CountRequest(exact=True)))

    def versions(self, *, live: bool | None = None) -> set[VersionId]:
        """See ``VectorIndex``."""
        within = None if live is None else _translate(filters.in_state(live=live))
        request = edge.FacetRequest(filters.VERSION, limit=EVERY_VERSION, exact=True, filter=within)
        with _translated(self._folder):
            hits = self._shard.facet(request).hits
        return {VersionId(str(hit.value)) for hit in hits if hit.count}

    def flush(self) -> None:
        """See ``VectorIndex``."""
        with _translated(self._folder):
            self._shard.flush()

    def close(self) -> None:
        """See ``VectorIndex``; closing twice is closing once."""
        if self._closed:
            return
        self._closed = True
        try:
            with _translated(self._folder):
                self._shard.flush()
                self._shard.close()
        finally:
            os.close(self._lock)

    def _by_terms(
        self, terms: SparseVector, using: str, found: All, scope: All, limit: int
    ) -> list[Scored]:
        """Search by words, their weights computed over the points within a scope."""
        if not terms.indices:
            return []
        return self._query(_terms(terms, using), found, limit, params=_weighed(scope))

    def _set(self, condition: All, payload: Payload) -> None:
        self._update(edge.UpdateOperation.set_payload_by_filter(_translate(condition), payload))

    def _update(self, operation: edge.UpdateOperation) -> None:
        with _translated(self._folder):
            self._shard.update(operation)

    def _query(
        self, query: edge.Query, within: All, limit: int, *, params: edge.SearchParams | None = None
    ) -> list[Scored]:
        hits = self._hits(query, within, limit, params=params, payload=FACTS)
        return best_first(
            [
                Scored(ChunkId(str(hit.id)), float(hit.score), facts_of(hit.payload or {}))
                for hit in hits
            ]
        )

    def _hits(
        self,
        query: edge.Query,
        within: All,
        limit: int,
        *,
        params: edge.SearchParams | None = None,
        payload: Sequence[str] = (),
    ) -> list[edge.ScoredPoint]:
        request = edge.QueryRequest(
            limit=limit,
            query=query,
            filter=_translate(within),
            params=params,
            with_payload=list(payload) or None,
        )
        with _translated(self._folder):
            return list(self._shard.query(request))


def _lock(folder: Path) -> int:
    """Take the folder's lock and return its descriptor.

    The engine locks too, but says so in words of its own and only after it has begun to read.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise IndexUnavailable(f"Cannot use the index in {folder}: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise IndexUnavailable(
            f"The index in {folder} is in use by another process. Stop the other Muniment "
            "that uses this data folder, or ask it instead of opening the index again."
        ) from error
    return descriptor


def _open_shard(folder: Path, dimension: int, fingerprint: str) -> edge.EdgeShard:
    shard_folder, description = folder / "points", folder / "index.json"
    described: Payload = {
        "dimension": dimension,
        "fingerprint": fingerprint,
        "layout": LAYOUT,
    }
    if description.exists():
        _check(description, described)
    elif shard_folder.exists():
        # The description is written last: without it, creation was cut short.
        shutil.rmtree(shard_folder)
    if shard_folder.exists():
        shard = edge.EdgeShard.load(str(shard_folder), _configuration(dimension))
    else:
        shard_folder.mkdir(parents=True)
        shard = edge.EdgeShard.create(str(shard_folder), _configuration(dimension))
        for key, kind in _KEYS.items():
            shard.update(edge.UpdateOperation.create_field_index(key, kind))
        shard.flush()
    if not description.exists():
        staged = description.with_suffix(".new")
        staged.write_text(json.dumps(described))
        staged.replace(description)
    return shard


def _check(description: Path, described: Payload) -> None:
    try:
        stored = json.loads(description.read_text())
    except ValueError as error:
        raise IndexUnavailable(
            f"{description} cannot be read. Restore it from a backup, or remove the folder "
            "of the index and ingest again."
        ) from error
    if {**stored, "layout": LAYOUT} == described != stored:
        raise IndexMismatch(
            f"The index in {description.parent} was built by an earlier Muniment. Remove that "
            "folder: it is made anew from the catalog at the next start."
        )
    if stored != described:
        raise IndexMismatch(
            f"The index in {description.parent} was built with another embedding model. "
            "Configure that model again, or build a new index beside it: muniment index rebuild."
        )


def _configuration(dimension: int) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        vectors={DENSE: edge.EdgeVectorParams(size=dimension, distance=edge.Distance.Cosine)},
        sparse_vectors={
            name: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
            for name in (SPARSE, NAMES)
        },
    )


def _edge_point(point: Point) -> edge.Point:
    vectors = {DENSE: point.dense.tolist(), SPARSE: _edge_sparse(point.sparse.weights)}
    if point.sparse.names.indices:
        vectors[NAMES] = _edge_sparse(point.sparse.names)
    return edge.Point(point.chunk_id, vectors, payload_of(point))


def _edge_sparse(vector: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(list(vector.indices), list(vector.values))


def _translate(condition: All) -> edge.Filter:
    return edge.Filter(must=[_translate_one(one) for one in condition.conditions])


def _terms(terms: SparseVector, using: str) -> edge.Query:
    return edge.Query.Nearest(_edge_sparse(terms), using=using)


def _weighed(scope: All) -> edge.SearchParams:
    """Weigh terms by their rarity within a scope."""
    return edge.SearchParams(idf=edge.IdfParams(_translate(scope)))


def _scores(hits: Sequence[edge.ScoredPoint]) -> Scores:
    return {ChunkId(str(hit.id)): float(hit.score) for hit in hits}


def _translate_one(condition: Condition) -> edge.FieldCondition | edge.HasIdCondition:
    match condition:
        case Equal(key, value):
            return edge.FieldCondition(key, match=edge.MatchValue(value))
        case AnyWord(key, words):
            return edge.FieldCondition(key, match=edge.MatchAny(list(words)))
        case AnyNumber(key, numbers):
            return edge.FieldCondition(key, match=edge.MatchAny(list(numbers)))
        case AnyChunk(chunk_ids):
            return edge.HasIdCondition(set(chunk_ids))
        case _:
            assert_never(condition)


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except (IndexMismatch, IndexUnavailable):
        raise
    except Exception as error:  # the engine raises nothing narrower
        raise IndexUnavailable(f"The index in {folder} does not answer: {error}") from error
