"""A small office with its documents: everything real, from the catalog to the service.

The embedding model is the packaged one; vectors of texts seen before are remembered, because the
same few sentences come again and again.
"""

import hashlib
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from audit.log import AuditLog
from corpus.access import Named, Principal, group_named, person_named
from corpus.catalog import Catalog, Source
from corpus.documents import Block, BlockKind, Chunk, ParsedDocument
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder, FloatMatrix, FloatVector, open_index
from corpus.originals import Originals
from corpus.records import Staged
from ingest.pipeline import Pipeline
from ingest.settings import IngestSettings
from rag.assistant import Assistant
from rag.break_glass import BreakGlassWatch
from rag.conversations import Conversations
from rag.identity import Identity
from rag.service import ServiceParts, create_service
from tests.judge import judge

PASSWORD = "correct horse battery"
PEOPLE = ("alice", "bob", "carol")
GROUPS = ("fin", "hr", "all")
QUESTION = "When does the project close?"
PATIENCE_SECONDS = 60.0
LEVELS = ("OFFICIAL", "OFFICIAL-SENSITIVE")


class RememberingEmbedder(Embedder):
    """The packaged model, asked once for each text."""

    def __init__(self, real: Embedder) -> None:
        self._real = real
        self._rows: dict[str, FloatVector] = {}
        self._asked: dict[str, FloatVector] = {}
        self.dimension = real.dimension
        self.fingerprint = real.fingerprint

    def embed(self, texts: Sequence[str], **more: Any) -> FloatMatrix:
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if new:
            self._rows.update(zip(new, self._real.embed(new), strict=True))
        if not texts:
            return self._real.embed([])
        return np.stack([self._rows[text] for text in texts])

    def embed_question(self, text: str) -> FloatVector:
        if text not in self._asked:
            self._asked[text] = self._real.embed_question(text)
        return self._asked[text]


class Clock:
    """Moves a second each time it is read."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class World:
    """The parts and the service over them; ``restart`` opens all of them anew."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self.folder = folder
        self.embedder = embedder
        self.clock = Clock()
        self.tokens: dict[str, str] = {}
        self._open()
        self.source: Source = self.catalog.add_source(
            name="files", location=folder, groups=frozenset()
        )
        for name in (*PEOPLE, "admin", "auditor"):
            roles = {"admin": {"administrator"}, "auditor": {"auditor"}}.get(name, set())
            self.identity.add_account(name, PASSWORD, roles={"reader"} | roles)
            self.tokens[name] = self.identity.open_session_for(name)

    def _open(self) -> None:
        url = f"sqlite:///{self.folder}/service.db"
        hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        self.catalog = Catalog.open(
            f"sqlite:///{self.folder}/catalog.db", clock=self.clock, markings=LEVELS
        )
        self.index = open_index(
            folder=self.folder / "index",
            url="",
            api_key="",
            dimension=self.embedder.dimension,
            fingerprint=self.embedder.fingerprint,
        )
        self.record = AuditLog.open(self.folder / "audit", clock=self.clock)
        # Their own clock stands still: no session ends, however long a busy machine takes.
        self.identity = Identity.open(url, hasher=hasher, clock=lambda: Clock().now)
        self.conversations = Conversations.open(url, clock=self.clock)
        self.originals = Originals(self.folder / "originals")
        watch = BreakGlassWatch(self.catalog, self.record, clock=self.clock)
        bm25, gate = Bm25Encoder(), self.catalog.gate(opened=watch)
        self.pipeline = Pipeline(
            catalog=self.catalog,
            originals=self.originals,
            index=self.index,
            embedder=self.embedder,
            bm25=bm25,
            record=self.record,
            settings=IngestSettings(),
        )
        self.assistant = Assistant(
            catalog=self.catalog,
            gate=gate,
            index=self.index,
            embedder=self.embedder,
            bm25=bm25,
            model=None,
            record=self.record,
            weigh=judge().weigh,
            current=self.identity.current,
        )
        self.parts = ServiceParts(
            catalog=self.catalog,
            originals=self.originals,
            assistant=self.assistant,
            identity=self.identity,
            conversations=self.conversations,
            record=self.record,
            gate=gate,
            model=None,
            index=self.index,
            clock=self.clock,
        )
        self.app = create_service(self.parts, workers=1)
        self.client = TestClient(self.app, base_url="http://localhost")

    def close(self) -> None:
        self.app.state.running.answering.close()
        self.client.close()
        for part in (self.index, self.catalog, self.identity, self.conversations, self.record):
            part.close()

    def restart(self) -> None:
        self.close()
        self._open()
        self.pipeline.recover()

    def destroy(self) -> None:
        self.close()
        shutil.rmtree(self.folder)

    # What operators do

    def put(self, path: str, text: str, properties: dict[str, str] | None = None) -> str:
        """Bring a document in, or its next version; return its id."""
        data = text.encode()
        blocks = (Block(0, len(text), BlockKind.PARAGRAPH),)
        staged = self.catalog.stage_version(
            source_id=self.source.source_id,
            path=path,
            original=self.originals.keep(data),
            media_type="text/plain",
            parsed=ParsedDocument(text, blocks, properties=properties or {}),
            chunks=[Chunk(0, 0, len(text))],
            size=len(data),
            modified_ns=0,
        )
        superseded = self.catalog.publish(staged.version_id)
        self.pipeline._index_again(staged.version_id)
        self.index.make_live(staged.version_id)
        for version_id in superseded:
            self.index.remove_version(version_id)
        return str(staged.document_id)

    def withdraw(self, document_id: str) -> None:
        for version_id in self.catalog.withdraw_document(document_id):  # type: ignore[arg-type]
            self.index.remove_version(version_id)

    # What people do

    def get(self, person: str, path: str, **parameters: Any) -> Any:
        return self.client.get(path, params=parameters, headers=self.proof(person))

    def post(self, person: str, path: str, body: object = None) -> Any:
        return self.client.post(path, json=body, headers=self.proof(person))

    def proof(self, person: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[person]}"}

    def ask(
        self, person: str, question: str = QUESTION, conversation_id: str | None = None
    ) -> dict[str, Any]:
        """Ask and wait for the answer; return the turn."""
        body = {"question": question, "conversation_id": conversation_id, "quotes_only": True}
        reply = self.post(person, "/v1/ask", body)
        assert reply.status_code == 200, reply.text
        turn: dict[str, Any] = reply.json()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while turn["answer"] is None:
            assert time.monotonic() < deadline, "no answer"
            time.sleep(0.002)
            turn = self.get(person, f"/v1/turns/{turn['turn_id']}").json()
        return turn

    def stage(self, path: str, *, edition: int) -> Staged:
        """Bring an edition in, up to the moment before it is indexed."""
        text = text_of(path, edition=edition)
        return self.catalog.stage_version(
            source_id=self.source.source_id,
            path=path,
            original=self.originals.keep(text.encode()),
            media_type="text/plain",
            parsed=ParsedDocument(text, (Block(0, len(text), BlockKind.PARAGRAPH),)),
            chunks=[Chunk(0, 0, len(text))],
            size=len(text),
            modified_ns=0,
        )

    def search(self, person: str, question: str = QUESTION) -> Any:
        return self.post(person, "/v1/search", {"question": question, "limit": 50})

    def principal(self, person: str) -> Principal:
        return self.identity.principal_named(person)


def canary_of(path: str) -> str:
    """Return the word that stands in one document alone."""
    return "kestrel" + hashlib.sha256(path.encode()).hexdigest()[:10]


def text_of(path: str, edition: int = 1) -> str:
    return f"The project {canary_of(path)} closes in May. Edition {edition} was agreed."


def named(name: str) -> Named:
    return person_named(name) if name in PEOPLE else group_named(name)
