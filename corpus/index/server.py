"""The index on a Qdrant server, or in memory for tests."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import assert_never

import httpx
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

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

MEMORY = ":memory:"
COLLECTION = "muniment"
"""How the names of all its collections begin; the embedding model's fingerprint follows."""
FINGERPRINT_CHARACTERS = 16
PAGE_POINTS = 10_000
TIMEOUT_SECONDS = 60

_KEYS = {
    filters.STATE: models.PayloadSchemaType.KEYWORD,
    filters.ACCESS_LIST: models.PayloadSchemaType.INTEGER,
    filters.DOCUMENT: models.PayloadSchemaType.KEYWORD,
    filters.VERSION: models.PayloadSchemaType.KEYWORD,
    filters.PLACE: models.PayloadSchemaType.KEYWORD,
}


class ServerIndex:
    """A ``VectorIndex`` in a collection of a Qdrant server, one for each embedding model.

    So the collection of another model can be filled while this one serves. What is taken away,
    and who may read what, is written to all of them.

    Args:
        url: The server's address, or ``:memory:``.
        api_key: Empty when the server asks for none.
        dimension: Length of the dense vectors.
        fingerprint: Of the embedding model; kept as the collection's metadata.
    """

    def __init__(self, *, url: str, api_key: str, dimension: int, fingerprint: str) -> None:
        self._url = url
        self._collection = f"{COLLECTION}-{fingerprint[:FINGERPRINT_CHARACTERS]}"
        with self._translated():
            self._client = _client(url, api_key)
            self._prepare(dimension, fingerprint)

    def upsert(self, points: Sequence[Point]) -> None:
        """See ``VectorIndex``."""
        for batch in batches(points):
            with self._translated():
                self._client.upsert(self._collection, [_server_point(p) for p in batch], wait=True)

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
        by_meaning = self._query(DENSE, dense.tolist(), found, limit)
        by_words = self._by_terms(sparse.weights, SPARSE, found, readable, limit)

        def meaning_of(chunk_ids: Sequence[ChunkId]) -> Scores:
            within = filters.among(found, chunk_ids)
            return _scores(self._hits(DENSE, dense.tolist(), within, len(chunk_ids)))

        def words_of(chunk_ids: Sequence[ChunkId]) -> Scores:
            within = filters.among(found, chunk_ids)
            terms = _server_sparse(sparse.weights)
            return _scores(self._hits(SPARSE, terms, within, len(chunk_ids), scope=readable))

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
        live: Payload = {filters.STATE: filters.LIVE}
        self._set([self._collection], filters.of_version(version_id), live)

    def remove_version(self, version_id: VersionId) -> None:
        """See ``VectorIndex``."""
        self._delete(models.FilterSelector(filter=_translate(filters.of_version(version_id))))

    def remove_chunks(self, chunk_ids: Sequence[ChunkId]) -> None:
        """See ``VectorIndex``."""
        if chunk_ids:
            self._delete(models.PointIdsList(points=list(chunk_ids)))

    def set_access_list(self, document_id: DocumentId, access_list: AccessListId) -> None:
        """See ``VectorIndex``."""
        changed: Payload = {filters.ACCESS_LIST: access_list}
        self._set(self._all(), filters.of_document(document_id), changed)

    def count(self) -> int:
        """See ``VectorIndex``."""
        with self._translated():
            return self._client.count(self._collection, exact=True).count

    def versions(self, *, live: bool | None = None) -> set[VersionId]:
        """See ``VectorIndex``."""
        within = None if live is None else _translate(filters.in_state(live=live))
        found: set[VersionId] = set()
        offset = None
        while True:
            with self._translated():
                records, offset = self._client.scroll(
                    self._collection,
                    scroll_filter=within,
                    limit=PAGE_POINTS,
                    offset=offset,
                    with_payload=[filters.VERSION],
                    with_vectors=False,
                )
            found.update(VersionId((record.payload or {})[filters.VERSION]) for record in records)
            if offset is None:
                return found

    def remove_others(self) -> list[str]:
        """Remove the collections of other embedding models; return their names."""
        others = [name for name in self._all() if name != self._collection]
        with self._translated():
            for name in others:
                self._client.delete_collection(name)
        return others

    def flush(self) -> None:
        """See ``VectorIndex``: the server keeps its own journal, every write waits for it."""

    def close(self) -> None:
        """See ``VectorIndex``."""
        self._client.close()

    def _prepare(self, dimension: int, fingerprint: str) -> None:
        described: Payload = {
            "dimension": dimension,
            "fingerprint": fingerprint,
            "layout": LAYOUT,
        }
        if self._client.collection_exists(self._collection):
            stored = self._client.get_collection(self._collection).config.metadata
            if stored != described:
                raise IndexMismatch(
                    f"The collection {self._collection!r} at {self._url} was built by an earlier "
                    "Muniment. Remove the collection: it is made anew from the catalog at the "
                    "next start."
                )
        else:
            _create_collection(self._client, self._collection, dimension, described)
        if self._url != MEMORY:
            for key, kind in _KEYS.items():
                self._client.create_payload_index(self._collection, key, kind, wait=True)

    def _by_terms(
        self, terms: SparseVector, using: str, found: All, scope: All, limit: int
    ) -> list[Scored]:
        """Search by words, their weights computed over the points within a scope."""
        if not terms.indices:
            return []
        return self._query(using, _server_sparse(terms), found, limit, scope=scope)

    def _query(
        self,
        using: str,
        vector: list[float] | models.SparseVector,
        within: All,
        limit: int,
        *,
        scope: All | None = None,
    ) -> list[Scored]:
        hits = self._hits(using, vector, within, limit, scope=scope, payload=FACTS)
        return best_first(
            [
                Scored(ChunkId(str(hit.id)), float(hit.score), facts_of(hit.payload or {}))
                for hit in hits
            ]
        )

    def _hits(
        self,
        using: str,
        vector: list[float] | models.SparseVector,
        within: All,
        limit: int,
        *,
        scope: All | None = None,
        payload: Sequence[str] = (),
    ) -> list[models.ScoredPoint]:
        idf = models.IdfCorpusParams(corpus=_translate(scope)) if scope else None
        with self._translated():
            return self._client.query_points(
                self._collection,
                query=vector,
                using=using,
                query_filter=_translate(within),
                limit=limit,
                with_payload=list(payload) or False,
                search_params=models.SearchParams(idf=idf) if idf else None,
            ).points

    def _all(self) -> list[str]:
        """Return the collections of every embedding model."""
        with self._translated():
            found = self._client.get_collections().collections
        return [each.name for each in found if each.name.partition("-")[0] == COLLECTION]

    def _set(self, collections: Sequence[str], condition: All, payload: Payload) -> None:
        with self._translated():
            for collection in collections:
                self._client.set_payload(collection, payload, _translate(condition), wait=True)

    def _delete(self, points: models.FilterSelector | models.PointIdsList) -> None:
        collections = self._all()
        with self._translated():
            for collection in collections:
                self._client.delete(collection, points, wait=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (ApiException, httpx.HTTPError, ValueError, RuntimeError) as error:
            raise IndexUnavailable(
                f"The Qdrant server at {self._url} does not answer as it should: {error}. "
                "Check that it runs and that the address and key are right."
            ) from error


def _client(url: str, api_key: str) -> QdrantClient:
    if url == MEMORY:
        return QdrantClient(MEMORY)
    # The compatibility check would ask the server from a thread of its own and only warn.
    return QdrantClient(
        url=url, api_key=api_key or None, timeout=TIMEOUT_SECONDS, check_compatibility=False
    )


def _create_collection(client: QdrantClient, name: str, dimension: int, described: Payload) -> None:
    client.create_collection(
        name,
        vectors_config={
            DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)
        },
        sparse_vectors_config={
            words: models.SparseVectorParams(modifier=models.Modifier.IDF)
            for words in (SPARSE, NAMES)
        },
        metadata=described,
    )


def _server_point(point: Point) -> models.PointStruct:
    vectors: dict[str, models.Vector] = {
        DENSE: point.dense.tolist(),
        SPARSE: _server_sparse(point.sparse.weights),
    }
    if point.sparse.names.indices:
        vectors[NAMES] = _server_sparse(point.sparse.names)
    return models.PointStruct(id=point.chunk_id, vector=vectors, payload=payload_of(point))


def _server_sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def _translate(condition: All) -> models.Filter:
    return models.Filter(must=[_translate_one(one) for one in condition.conditions])


def _scores(hits: Sequence[models.ScoredPoint]) -> Scores:
    return {ChunkId(str(hit.id)): float(hit.score) for hit in hits}


def _translate_one(condition: Condition) -> models.FieldCondition | models.HasIdCondition:
    match condition:
        case Equal(key, value):
            return models.FieldCondition(key=key, match=models.MatchValue(value=value))
        case AnyWord(key, words):
            return models.FieldCondition(key=key, match=models.MatchAny(any=list(words)))
        case AnyNumber(key, numbers):
            return models.FieldCondition(key=key, match=models.MatchAny(any=list(numbers)))
        case AnyChunk(chunk_ids):
            return models.HasIdCondition(has_id=list(chunk_ids))
        case _:
            assert_never(condition)
