"""An assistant over a folder of documents with everything real but, where wanted, the model."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from audit.log import AuditLog
from bench.answering import embedder, judge, larger_judge
from corpus.access import Principal
from corpus.catalog import Catalog
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder, VectorIndex, open_index
from corpus.originals import Originals
from corpus.records import AccessRule
from ingest.pipeline import Pipeline
from ingest.settings import IngestSettings
from rag.assistant import AnswerRules, Assistant
from rag.contract import Answer
from rag.generation import ModelServer
from rag.judging import Weigh
from rag.rewording import Rewriter

Reply = Callable[[str], str]
"""The prompt's last message to what the model says."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Documents that were read, and an assistant over them for one question at a time."""

    catalog: Catalog
    originals: Originals
    index: VectorIndex
    record: AuditLog
    catalog_url: str
    embedder: Embedder
    weigh: Weigh
    weigh_again: Weigh | None
    pipeline: Pipeline
    documents: Path

    def read_again(self) -> None:
        """Go over the folder again."""
        (source,) = self.catalog.sources()
        self.pipeline.run(self.catalog.queue_run(source.source_id))

    def assistant(
        self,
        model: ModelServer | None = None,
        rules: AnswerRules | None = None,
        rewriter: Rewriter | None = None,
    ) -> Assistant:
        """Return an assistant over the documents; without a model it answers in quotes."""
        return Assistant(
            catalog=self.catalog,
            gate=self.catalog.gate(),
            index=self.index,
            embedder=self.embedder,
            bm25=Bm25Encoder(),
            model=model,
            record=self.record,
            weigh=self.weigh,
            weigh_again=lambda: self.weigh_again,
            rules=rules or AnswerRules(),
            rewriter=rewriter,
        )

    def ask(self, question: str, asker: Principal, *, model: ModelServer | None) -> Answer:
        """Return what would be shown to somebody who asks."""
        return self.assistant(model).answer(
            question,
            asker,
            turn_id="turn",
            conversation_id="conversation",
            quotes_only=model is None,
            progress=lambda _: None,
            stopped=lambda: False,
        )


@contextmanager
def opened(
    documents: Path,
    *,
    groups: frozenset[str],
    rules: Sequence[AccessRule] = (),
    encoder: Embedder | None = None,
    weigh: Weigh | None = None,
) -> Iterator[Desk]:
    """Read a folder of documents as a source is read, and yield a desk over it.

    Args:
        documents: The folder.
        groups: Who may read what no rule is about.
        rules: Who may read the rest.
        encoder: The product's own where none is given.
        weigh: The product's own judges where none is given.
    """
    encoder = encoder or embedder()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muniment-desk-")))
        url = f"sqlite:///{folder}/catalog.db"
        catalog = stack.enter_context(closing(Catalog.open(url)))
        catalog.add_source(name="documents", location=documents, groups=groups, rules=tuple(rules))
        index = stack.enter_context(
            closing(
                open_index(
                    folder=folder / "index",
                    url="",
                    api_key="",
                    dimension=encoder.dimension,
                    fingerprint=encoder.fingerprint,
                )
            )
        )
        record = stack.enter_context(closing(AuditLog.open(folder / "audit")))
        originals = Originals(folder / "originals")
        pipeline = Pipeline(
            catalog=catalog,
            originals=originals,
            index=index,
            embedder=encoder,
            bm25=Bm25Encoder(),
            record=record,
            settings=IngestSettings(),
        )
        larger = larger_judge() if weigh is None else None
        desk = Desk(
            catalog,
            originals,
            index,
            record,
            url,
            encoder,
            weigh or judge().weigh,
            larger.weigh if larger is not None else None,
            pipeline,
            documents,
        )
        desk.read_again()
        yield desk


def stand_in(reply: Reply) -> ModelServer:
    """Return a model server that says what a function makes of the prompt."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "stand-in", "max_model_len": 4096}]})
        if request.url.path != "/v1/chat/completions":
            return httpx.Response(404)
        said = reply(json.loads(request.content)["messages"][-1]["content"])
        pieces = [
            {"choices": [{"delta": {"content": said}, "finish_reason": None}]},
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        ]
        stream = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + "data: [DONE]\n\n"
        return httpx.Response(200, text=stream, headers={"Content-Type": "text/event-stream"})

    return ModelServer(
        url="http://stand-in", name="stand-in", transport=httpx.MockTransport(answer)
    )
