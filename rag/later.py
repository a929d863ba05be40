"""Later editions of what was read: which there are, and what they say to the same question."""

from collections.abc import Sequence
from typing import Final

from corpus.access import AuthorizedChunk, Gate, Principal
from corpus.catalog import Catalog
from corpus.documents import DocumentId, Version
from rag.editions import later_edition, name_without_date
from rag.retrieval import Retriever
from rag.showing import Read

LATER_PASSAGES: Final = 2
"""Read of a later edition, where an earlier one was found."""
MOST_DOCUMENTS: Final = 2
"""Documents of one question whose later editions are searched."""


class LaterEditions:
    """Finds the later editions of documents, among those that an asker may read.

    Args:
        catalog: Knows the documents of a name.
        gate: Lets passages through.
        retriever: Searches a later edition.
    """

    def __init__(self, *, catalog: Catalog, gate: Gate, retriever: Retriever) -> None:
        self._catalog = catalog
        self._gate = gate
        self._retriever = retriever

    def of(
        self, document_id: DocumentId, title: str, path: str, asker: Principal
    ) -> Version | None:
        """Return the latest later edition of a document; None where the asker may read none.

        Args:
            document_id: The document.
            title: Its own.
            path: Its own.
            asker: Who asks.
        """
        name = name_without_date(title, path)
        if not name:
            return None
        found = self._catalog.readable_beside(asker, document_id, name=name)
        others = {(one.title, one.path): one for one in found}
        later = later_edition(title, path, list(others))
        return others[later] if later is not None else None

    def beside(
        self, question: str, chunks: Sequence[AuthorizedChunk], asker: Principal
    ) -> tuple[list[Read], int]:
        """Return what later editions have to say where earlier ones were found.

        The words of a rule may change more than those of a question about it, so that only the
        rule out of force is found.

        Args:
            question: As it was searched for.
            chunks: What was found, best first.
            asker: Who asks.

        Returns:
            Passages of the later editions that were not found already, and how many the gate
            kept back.
        """
        documents = {chunk.found.document_id: chunk.found for chunk in chunks}
        sought: dict[DocumentId, None] = {}
        for document_id, one in documents.items():
            later = self.of(document_id, one.title, one.path, asker)
            if later is not None:
                sought[later.document_id] = None
            if len(sought) == MOST_DOCUMENTS:
                break
        known = {chunk.found.chunk_id for chunk in chunks}
        read: list[Read] = []
        denied = 0
        for document_id in sought:
            found = self._retriever.retrieve(
                question, visible_to=asker, limit=LATER_PASSAGES, documents=[document_id]
            )
            new = {one.chunk.chunk_id: one for one in found if one.chunk.chunk_id not in known}
            passed = self._gate.authorize(asker, [one.chunk for one in new.values()])
            denied += len(new) - len(passed)
            for chunk in passed:
                candidate = new[chunk.found.chunk_id]
                read.append(Read(chunk, candidate.score, candidate.found))
        return read, denied
