"""Put the parts together: the one place where programs, libraries and settings meet."""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from audit.log import AuditLog
from corpus.access import Gate
from corpus.catalog import Catalog
from corpus.embedding import Embedder
from corpus.erasures import Erasure
from corpus.index import VectorIndex, open_index
from corpus.index.beside import take_place
from corpus.index.bm25 import Bm25Encoder
from corpus.kept_vectors import KeptVectors
from corpus.originals import Originals
from corpus.word_vectors import WordVectors
from ingest.pipeline import Pipeline
from ingest.places import Places
from ingest.settings import IngestSettings
from muniment.errors import SettingsInvalid
from muniment.meanwhile import meanwhile
from muniment.settings import Settings, has_model
from muniment.stores import open_catalog, open_identity, open_record, utc_now
from rag import larger_judge
from rag.adapting import adapted
from rag.assistant import AnswerRules, Assistant
from rag.break_glass import BreakGlassWatch
from rag.conversations import Conversations
from rag.errors import ModelBusy, ModelUnavailable
from rag.forgetting import Forgetting
from rag.generation import ModelServer
from rag.identity import Identity
from rag.judging import Judge, Pair, Verdict, Weigh
from rag.profiles import AUTO, ModelJudge, Profile, beside, kept_profile, profile_named
from rag.reranking import Reranker
from rag.rewording import Rewriter

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class House:
    """Every part, opened."""

    settings: Settings
    clock: Callable[[], datetime]
    catalog: Catalog
    originals: Originals
    embedder: Embedder
    bm25: Bm25Encoder
    index: VectorIndex
    record: AuditLog
    gate: Gate
    identity: Identity
    conversations: Conversations
    model: ModelServer | None
    assistant: Assistant
    pipeline: Pipeline | None


def model_of(settings: Settings) -> ModelServer | None:
    """The configured model server, or None where answers are quotes only."""
    if settings.model_off or not settings.model_url:
        return None
    return ModelServer(
        url=settings.model_url,
        name=settings.model_name,
        api_key=settings.model_key,
        timeout_seconds=settings.model_silence_seconds,
        context_tokens=settings.model_context,
    )


def answer_rules(settings: Settings) -> AnswerRules:
    """What the site lays down for its answers."""
    return AnswerRules(
        quotes_only=settings.quotes_only,
        quotes_only_sources=settings.only_quoted_sources,
        prompt_tokens=settings.prompt_tokens,
        seconds=settings.answer_seconds,
    )


def ingest_settings(settings: Settings) -> IngestSettings:
    """The part of the settings that ingestion needs."""
    return IngestSettings(
        maximum_file_bytes=settings.maximum_file_megabytes * MEBIBYTE,
        parse_seconds=float(settings.parse_seconds),
        parse_memory_bytes=settings.parse_memory_megabytes * MEBIBYTE,
        ocr=settings.ocr,
        office_pages=settings.office_pages,
        gone_share=settings.gone_percent / 100,
        gone_at_least=settings.gone_at_least,
        chunk_words=settings.chunk_words,
    )


def read_credentials(settings: Settings) -> dict[str, dict[str, object]]:
    """What sources behind an address need to let us in, by their name.

    Raises:
        SettingsInvalid: The file cannot be read, or others may read it too.
    """
    if not settings.source_credentials:
        return {}
    path = Path(settings.source_credentials).expanduser()
    try:
        if path.stat().st_mode & 0o077:
            raise SettingsInvalid(
                f"Others may read {path}, which holds passwords. Protect it: chmod 600 {path}"
            )
        return dict(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(
            f"The file of MUNIMENT_SOURCE_CREDENTIALS cannot be read: {error}."
        ) from error


@contextmanager
def open_house(
    settings: Settings, *, worker: bool, serves_questions: bool = False
) -> Iterator[House]:
    """Open every part, and close them all in the end.

    Args:
        settings: What the operator chose.
        worker: Whether documents are to be brought in here too.
        serves_questions: Whether questions wait where the record was not signed for too long.

    Raises:
        corpus.errors.IndexUnavailable: The embedded index belongs to another process.
    """
    with ExitStack() as stack:
        catalog = stack.enter_context(closing(open_catalog(settings)))
        record = stack.enter_context(_record(settings, serves_questions=serves_questions))
        identity = stack.enter_context(closing(open_identity(settings)))
        conversations = stack.enter_context(_conversations(settings))
        embedder = load_embedder(settings)
        index = stack.enter_context(closing(_open_index(settings, embedder)))
        stack.callback(index.flush)
        bm25 = Bm25Encoder()
        gate, model = _gate(catalog, record), model_of(settings)
        profile = _profile_of(settings, model)
        reading = _pipeline(settings, catalog, index, embedder, record)
        pipeline = stack.enter_context(reading) if worker else None
        again = _weigh_again(settings, profile, serves_questions=serves_questions)
        assistant = Assistant(
            catalog=catalog,
            gate=gate,
            index=index,
            embedder=embedder,
            bm25=bm25,
            model=model,
            record=record,
            word_vectors=load_word_vectors(settings, embedder),
            weigh=_weigh_of(settings, model, profile),
            weigh_again=stack.enter_context(again),
            may_back=lambda: profile().judges,
            reranker=_load_reranker(settings),
            weights=adapted(adaptation_file(settings), fingerprint=embedder.fingerprint),
            current=identity.current,
            rules=answer_rules(settings),
            rewriter=Rewriter(model, lambda: profile().rewords) if model is not None else None,
        )
        yield House(
            settings=settings,
            clock=utc_now,
            catalog=catalog,
            originals=Originals(settings.data / "originals"),
            embedder=embedder,
            bm25=bm25,
            index=index,
            record=record,
            gate=gate,
            identity=identity,
            conversations=conversations,
            model=model,
            assistant=assistant,
            pipeline=pipeline,
        )


def _gate(catalog: Catalog, record: AuditLog) -> Gate:
    return catalog.gate(opened=BreakGlassWatch(catalog, record, clock=utc_now))


def _conversations(settings: Settings) -> closing[Conversations]:
    return closing(Conversations.open(settings.service_database_url, clock=utc_now))


def _record(settings: Settings, *, serves_questions: bool) -> closing[AuditLog]:
    program = "rag" if serves_questions else "ingest"
    return closing(open_record(settings, program=program, serves_questions=serves_questions))


def forgetting(house: House) -> Callable[[Erasure], tuple[int, int] | None]:
    """Return what takes an erased document out of the conversations."""
    holds = house.catalog.holds()
    conversations = Forgetting(
        house.conversations.store,
        is_held=lambda owner: holds.is_held(person=owner),
        clock=house.clock,
    )

    def clear(erasure: Erasure) -> tuple[int, int] | None:
        titles = {one.title for one in house.catalog.versions_of(erasure.document_id)}
        return conversations.forget(erasure.document_id, titles | {erasure.path})

    return clear


def adaptation_file(settings: Settings) -> Path:
    """Return where what was learned from the documents is kept."""
    return settings.data / "adaptation.json"


def _load_reranker(settings: Settings) -> Reranker | None:
    return Reranker(Path(settings.reranker_folder)) if settings.reranker_folder else None


def load_word_vectors(settings: Settings, embedder: Embedder) -> WordVectors | None:
    """Load the words of the embedding model; None where it cannot be had in pieces."""
    return WordVectors.load(embedder, cache_folder=settings.data / "cache" / "embedding")


@contextmanager
def _pipeline(
    settings: Settings,
    catalog: Catalog,
    index: VectorIndex,
    embedder: Embedder,
    record: AuditLog,
) -> Iterator[Pipeline]:
    with closing(KeptVectors(embedder, settings.data / "cache" / "vectors.db")) as vectors:
        yield Pipeline(
            catalog=catalog,
            originals=Originals(settings.data / "originals"),
            index=index,
            embedder=embedder,
            bm25=Bm25Encoder(),
            record=record,
            settings=ingest_settings(settings),
            clock=utc_now,
            vectors=vectors,
            places=Places(read_credentials(settings)),
        )


def _open_index(settings: Settings, embedder: Embedder) -> VectorIndex:
    if not settings.qdrant_url:
        take_place(settings.data / "index", embedder.fingerprint)
    return open_index(
        folder=settings.data / "index",
        url=settings.qdrant_url,
        api_key=settings.qdrant_key,
        dimension=embedder.dimension,
        fingerprint=embedder.fingerprint,
    )


def profile_file(settings: Settings) -> Path:
    """Return where it is kept what the model is fit for, as measured."""
    return settings.data / "model-profile.json"


def _weigh_of(
    settings: Settings, model: ModelServer | None, profile: Callable[[], Profile]
) -> Weigh:
    """Return the judge: ours, and beside it the model where its profile says that it can."""
    own = load_judge(settings).weigh
    if model is None:
        return own
    both = beside(own, ModelJudge(model).weigh)

    def weigh(pairs: Sequence[Pair]) -> list[Verdict]:
        return (both if profile().judges else own)(pairs)

    return weigh


def _profile_of(settings: Settings, model: ModelServer | None) -> Callable[[], Profile]:
    """Return what says what the model is fit for: as set, or as the last probe found by now."""
    if model is None:
        return Profile
    if settings.model_profile != AUTO:
        named = profile_named(settings.model_profile)
        return lambda: named
    kept = profile_file(settings)

    def now() -> Profile:
        try:
            return kept_profile(kept, model.name) if kept.exists() else Profile()
        except (ModelUnavailable, ModelBusy):
            return Profile()

    return now


def load_judge(settings: Settings) -> Judge:
    """Load the judge of whether a passage answers a question or bears out a claim."""
    return Judge.load(cache_folder=settings.data / "cache" / "embedding")


@contextmanager
def _weigh_again(
    settings: Settings, profile: Callable[[], Profile], *, serves_questions: bool
) -> Iterator[Callable[[], Weigh | None]]:
    """Give the larger judge: to the service beside its start, to others when they need it.

    A model that is fit to judge is larger still, and has its say already.
    """
    base = settings.larger_judge_folder()
    if base is None:
        yield lambda: None
        return
    cache = settings.data / "cache" / "embedding"
    larger = larger_judge.Later(
        partial(has_model, base), partial(larger_judge.load, base, cache_folder=cache)
    )
    loaded = larger.weigh if serves_questions else larger.now
    waiting = meanwhile(larger.wait, name="larger-judge") if serves_questions else nullcontext()
    with waiting:
        yield lambda: None if profile().judges else loaded()


def load_embedder(settings: Settings) -> Embedder:
    """Load the embedding model of the settings."""
    chosen = settings.embedding_folder
    return Embedder.load(
        cache_folder=settings.data / "cache" / "embedding",
        model_folder=Path(chosen) if chosen else None,
    )
