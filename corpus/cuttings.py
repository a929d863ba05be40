"""How versions were cut into chunks, and what becomes of the chunks when one is cut anew."""

from collections.abc import Sequence

import sqlalchemy as sql

from corpus import tables
from corpus.database import Part
from corpus.documents import Chunk, ChunkId, VersionId
from corpus.tables import LIVE
from corpus.versions import chunk_id_of, count, live_versions, portions, store_chunks

BEGUN = "begun"
"""Of a version whose points may be those of another cutting than its chunks."""


class Cuttings(Part):
    """The part of the catalog that knows how each version was cut.

    A cutting is a short text that names the program and the lengths; see ``ingest.chunking``.
    """

    def cut_otherwise(self, cutting: str, *, limit: int) -> list[tuple[VersionId, str]]:
        """Return live versions that were not cut so, and how each was cut."""
        query = live_versions().where(tables.version.c.cutting != cutting)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(tables.version.c.version_id).limit(limit))
            return [(VersionId(row.version_id), row.cutting) for row in rows]

    def count_cut_otherwise(self, cutting: str) -> int:
        """Return how many live versions were not cut so."""
        with self._database.reading() as connection:
            return count(connection, live_versions().where(tables.version.c.cutting != cutting))

    def recut(
        self, version_id: VersionId, chunks: Sequence[Chunk], *, cutting: str
    ) -> tuple[ChunkId, ...]:
        """Give a live version other chunks, all at once; return their ids.

        The earlier ones are kept for the record, which names them. A version that is not live
        any more keeps its own.
        """
        chunk, past, version = tables.chunk, tables.past_chunk, tables.version
        ids = [chunk_id_of(version_id, one.number, cut_anew=cutting) for one in chunks]
        with self._database.writing() as connection:
            state = sql.select(version.c.state).where(version.c.version_id == version_id)
            if connection.scalar(state) != LIVE:
                return ()
            names = [column.name for column in chunk.columns]
            for some in portions(ids):  # those of a cutting that comes back
                connection.execute(past.delete().where(past.c.chunk_id.in_(some)))
            connection.execute(
                past.insert().from_select(
                    names, sql.select(chunk).where(chunk.c.version_id == version_id)
                )
            )
            connection.execute(chunk.delete().where(chunk.c.version_id == version_id))
            return store_chunks(connection, version_id, chunks, cut_anew=cutting)

    def note_cutting(self, version_id: VersionId, cutting: str) -> None:
        """Note that a version is cut so, here and in the index."""
        version = tables.version
        with self._database.writing() as connection:
            connection.execute(
                version.update().where(version.c.version_id == version_id).values(cutting=cutting)
            )
