"""What the tests of rag share."""

from collections.abc import Sequence

import pytest

from corpus.access import AuthorizedChunk, Gate, Principal, UncheckedChunk
from corpus.documents import Chunk, ChunkId, DocumentId, VersionId

READER = Principal("reader", frozenset({"staff"}))


class Passages:
    """Make authorised chunks from plain text, through a gate that admits everything."""

    def __call__(self, *texts: str, title: str = "Staff Handbook") -> list[AuthorizedChunk]:
        return self.under((), *texts, title=title)

    def under(
        self,
        heading_path: Sequence[str],
        *texts: str,
        title: str = "Staff Handbook",
        columns: str = "",
    ) -> list[AuthorizedChunk]:
        gate = Gate(admitting_lists=lambda _: (), readable_versions=lambda _, ids: ids)
        return gate.authorize(
            READER,
            [
                _chunk(number, text, title=title, heading_path=tuple(heading_path), columns=columns)
                for number, text in enumerate(texts)
            ],
        )


def _chunk(
    number: int, text: str, *, title: str, heading_path: tuple[str, ...], columns: str
) -> UncheckedChunk:
    return UncheckedChunk(
        chunk_id=ChunkId(f"c{number}"),
        document_id=DocumentId(f"d{number}"),
        version_id=VersionId(f"v{number}"),
        version_number=1,
        title=title,
        path=f"{title}.md",
        source_name="Handbooks",
        chunk=Chunk(
            number,
            start=100,
            end=100 + len(text),
            heading_path=heading_path,
            context=columns,
        ),
        text=text,
    )


@pytest.fixture
def passages() -> Passages:
    return Passages()
