"""Cuts documents that are live into chunks anew, from the text that is kept: nothing is parsed.

Of each version the new points are put into the index before the catalog changes its chunks, and
the old ones leave it afterwards. The catalog shows nothing of points it does not know, so at
every moment one whole set can be found. Cut short anywhere, the version is done again.
"""

from collections.abc import Callable
from dataclasses import replace

from corpus.access import UncheckedChunk
from corpus.catalog import chunk_id_of
from corpus.cuttings import BEGUN
from corpus.documents import Chunk, VersionId
from ingest.chunking import ChunkLimits, cut
from ingest.pipeline import Pipeline


def _never() -> bool:
    return False


class Recutter:
    """Brings the chunks of live versions to how the settings want them cut.

    Text that stays as it was keeps its vector where the pipeline remembers vectors.

    Args:
        pipeline: Whose corpus it is, and whose settings.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._catalog = pipeline.catalog
        self._limits = ChunkLimits.of(pipeline.settings.chunk_words)

    def work(self, *, most: int, stop: Callable[[], bool] = _never) -> int:
        """Look at some versions that were cut otherwise; return how many.

        Args:
            most: The most to look at.
            stop: Asked before each.
        """
        done = 0
        for version_id, cutting in self._catalog.cut_otherwise(self._limits.cutting, limit=most):
            if stop():
                break
            self._cut(version_id, begun=cutting == BEGUN)
            done += 1
        return done

    def _cut(self, version_id: VersionId, *, begun: bool) -> None:
        catalog, index = self._catalog, self._pipeline.index
        before = catalog.chunks_of(version_id)
        chunks = cut(catalog.parsed(version_id), limits=self._limits)
        same = not (chunks and before) or chunks == [one.chunk for one in before]
        if begun:  # with whatever lengths: what it left in the index nobody knows
            index.remove_version(version_id)
        if begun or not same:
            catalog.note_cutting(version_id, BEGUN)
            self._pipeline.put_in(version_id, before if same else self._made(before[0], chunks))
        if not same:
            catalog.recut(version_id, chunks, cutting=self._limits.cutting)
        index.remove_chunks([one.chunk_id for one in catalog.chunks_of(version_id, past=True)])
        index.flush()
        catalog.note_cutting(version_id, self._limits.cutting)

    def _made(self, like: UncheckedChunk, chunks: list[Chunk]) -> list[UncheckedChunk]:
        text = self._catalog.text_of(like.version_id)
        return [
            replace(
                like,
                chunk_id=chunk_id_of(like.version_id, chunk.number, cut_anew=self._limits.cutting),
                chunk=chunk,
                text=text[chunk.start : chunk.end],
            )
            for chunk in chunks
        ]
