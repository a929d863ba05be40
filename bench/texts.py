"""Turn texts of evaluation sets into passages as the product would have them: cut, and let through.

A text is cut by the product's own chunker, and a gate that admits everybody lets the chunks
through, so that what is measured is what runs.
"""

import re
from collections.abc import Sequence

import numpy as np

from corpus.access import AuthorizedChunk, Gate, Principal, UncheckedChunk
from corpus.documents import Block, BlockKind, Chunk, ChunkId, DocumentId, ParsedDocument, VersionId
from corpus.embedding import Embedder
from ingest.chunking import cut, search_text

READER = Principal("bench", frozenset({"bench"}))
_PARAGRAPH = re.compile(r"\S(?:.*\S)?")


def passages_of(text: str, *, document: str, title: str = "") -> list[AuthorizedChunk]:
    """Return the chunks of a text, every line of it a paragraph, in its order.

    Args:
        text: All of it.
        document: An id for it; chunks have ids of their own below it.
        title: As a reader would see it.
    """
    blocks = tuple(
        Block(found.start(), found.end(), BlockKind.PARAGRAPH)
        for found in _PARAGRAPH.finditer(text)
    )
    return authorized(text, cut(ParsedDocument(text, blocks)), document=document, title=title)


def whole(text: str, *, document: str = "d", title: str = "") -> list[AuthorizedChunk]:
    """Return a text as one passage, however long it is."""
    return authorized(text, [Chunk(0, 0, len(text))], document=document, title=title)


def authorized(
    text: str, chunks: Sequence[Chunk], *, document: str, title: str = ""
) -> list[AuthorizedChunk]:
    """Return chunks of a text as a gate lets them through that admits everybody."""
    gate = Gate(admitting_lists=lambda _: (), readable_versions=lambda _, ids: ids)
    return gate.authorize(
        READER,
        [
            UncheckedChunk(
                chunk_id=ChunkId(f"{document}-{chunk.number}"),
                document_id=DocumentId(document),
                version_id=VersionId(document),
                version_number=1,
                title=title,
                path="",
                source_name="",
                chunk=chunk,
                text=text[chunk.start : chunk.end],
            )
            for chunk in chunks
        ],
    )


def nearest(
    passages: Sequence[AuthorizedChunk], questions: Sequence[str], embedder: Embedder, *, most: int
) -> list[list[AuthorizedChunk]]:
    """Return, for each question, the passages nearest to it by meaning, best first."""
    if not passages:
        return [[] for _ in questions]
    rows = embedder.embed(
        [search_text(one.found.title, one.found.chunk, one.found.text) for one in passages]
    )
    closeness = embedder.embed(list(questions)) @ rows.T
    order = np.argsort(-closeness, axis=1, kind="stable")[:, :most]
    return [[passages[place] for place in places] for places in order]
