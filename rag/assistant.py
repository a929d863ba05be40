"""Answer a question: record, retrieve, authorise, draft, check, record, and only then show."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from audit.circumstances import within
from audit.entries import Entry
from audit.errors import AuditUnavailable
from audit.events import (
    AccessDenied,
    AnswerGiven,
    CitationGiven,
    Event,
    PassageRead,
    PassagesRead,
    QuestionAsked,
    QuestionRefused,
)
from audit.log import AuditLog
from corpus.access import AuthorizedChunk, Gate, Principal
from corpus.catalog import Catalog
from corpus.documents import Box, VersionId, line_boxes
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder, VectorIndex
from corpus.word_vectors import WordVectors
from rag.citations import CheckedSentence, Quote, check_draft
from rag.contract import (
    Answer,
    Citation,
    DraftDelta,
    FoundBy,
    Mark,
    Outcome,
    Passage,
    SearchResult,
    Sentence,
    Step,
    Timings,
)
from rag.editions import Settled, settle
from rag.errors import ModelBusy, ModelUnavailable, RecordUnavailable
from rag.evidence import (
    Evidence,
    EvidenceFinder,
    is_sufficient,
    passage_match,
    worth_quoting,
)
from rag.fusion import DEFAULT, Weights
from rag.generation import SEED, TEMPERATURE, ModelServer
from rag.judging import Weigh
from rag.prompting import PROMPT_TEMPLATE_SHA256, build_messages, passages_for_prompt
from rag.ranking import Found
from rag.reranking import Reranker
from rag.retrieval import Retriever
from rag.wording import Span

PASSAGES = 6
MAXIMUM_ANSWER_TOKENS = 160
FURTHER_PAGES_OF_A_CHUNK = 3
"""Pages after its first one that a chunk of at most 200 words may reach."""

CHECKED_AGAIN_SECONDS = 0.2
"""While a draft is written, rights are looked at again this often."""
SPARE = 6
"""Passages read beyond those needed, so that one the gate holds back leaves no gap."""


@dataclass(frozen=True, slots=True)
class RestsOn:
    """What an answer in the making rests on: whoever is shown its draft must be able to read it."""

    versions: frozenset[VersionId]


Progress = Callable[[Step | DraftDelta | RestsOn], None]
Stopped = Callable[[], bool]
Current = Callable[[Principal], Principal | None]


def _unchanged(principal: Principal) -> Principal:
    return principal


WITHHELD = "This answer is withheld: you may no longer read a document that it rests on."
NOT_COVERED = "The documents you may read do not answer this."
MODEL_AWAY = "The model is away, so this is in the documents' own words."
NOTHING_BACKED = (
    "Nothing in the model's draft was backed by the documents, so these are their own words."
)


@dataclass(frozen=True, slots=True)
class _Read:
    """A passage that the gate has let through, with its score."""

    chunk: AuthorizedChunk
    score: float
    found: Found


@dataclass(slots=True)
class _Stopwatch:
    """Milliseconds since the question came, and of each step."""

    started: float
    retrieve: float | None = None
    first_token: float | None = None
    generate: float | None = None
    check: float | None = None

    def elapsed(self) -> float:
        """Return milliseconds since the start."""
        return (time.perf_counter() - self.started) * 1_000

    def timings(self) -> Timings:
        """Return them as they go over the wire."""
        return Timings(
            retrieve=self.retrieve,
            first_token=self.first_token,
            generate=self.generate,
            check=self.check,
            total=self.elapsed(),
        )


@dataclass(frozen=True, slots=True)
class _Drafted:
    text: str
    model: str
    note: str = ""
    stopped: bool = False
    withheld: bool = False
    prompt: str = ""
    broken_off: str = ""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read for a question.

    Attributes:
        passages: What the gate let through, best first.
        denied: How many candidates it kept back.
    """

    passages: list[_Read]
    denied: int


class _StillReadable:
    """Says, while an answer is made, whether its asker may still read what it rests on."""

    def __init__(
        self, gate: Gate, current: Current, asker: Principal, chunks: Sequence[AuthorizedChunk]
    ) -> None:
        self._gate = gate
        self._current = current
        self._asker = asker
        self._chunks = chunks
        self._looked_at = time.monotonic()

    def now(self) -> bool:
        """Look at this moment's rights, groups and account."""
        self._looked_at = time.monotonic()
        asker = self._current(self._asker)
        return asker is not None and self._gate.may_still_read(asker, self._chunks)

    def lately(self) -> bool:
        """The same, looked at no more often than it takes to be quick."""
        if time.monotonic() - self._looked_at < CHECKED_AGAIN_SECONDS:
            return True
        return self.now()


class Assistant:
    """Answers questions from the corpus, for one person at a time.

    Args:
        catalog: The authority on documents and rights.
        gate: Every chunk passes it before it is read, prompted or shown.
        index: Where candidates are found.
        embedder: Must be the one the index was made with.
        bm25: The sparse encoder the index was made with.
        model: None means that answers are made of quotes only.
        record: If it cannot be written, nothing is answered.
        weigh: The judge of what answers a question and of what bears out a sentence.
        word_vectors: Refine what retrieval finds word by word; None leaves that out.
        reranker: The site's own cross-encoder, if it has one.
        weights: Of the ingredients of retrieval, as the site has adapted them.
        current: Returns somebody with the groups of this moment; None when they may no longer
            ask at all.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        gate: Gate,
        index: VectorIndex,
        embedder: Embedder,
        bm25: Bm25Encoder,
        model: ModelServer | None,
        record: AuditLog,
        weigh: Weigh,
        word_vectors: WordVectors | None = None,
        reranker: Reranker | None = None,
        weights: Weights = DEFAULT,
        current: Current = _unchanged,
    ) -> None:
        self._catalog = catalog
        self._gate = gate
        self._evidence = EvidenceFinder(embedder.embed, weigh)
        self._weigh = weigh
        self._fingerprint = embedder.fingerprint
        self._model = model
        self._record = record
        self._current = current
        self._retriever = Retriever(
            catalog=catalog,
            gate=gate,
            index=index,
            embedder=embedder,
            bm25=bm25,
            word_vectors=word_vectors,
            reranker=reranker,
            weights=weights,
        )

    def answer(
        self,
        question: str,
        asker: Principal,
        *,
        turn_id: str,
        conversation_id: str,
        quotes_only: bool,
        progress: Progress,
        stopped: Stopped,
        asked_as: str = "",
    ) -> Answer:
        """Return what may be shown as the answer; it is on record when this returns.

        `asked_as` is the question made to stand alone; empty where it does.

        Raises:
            RecordUnavailable: Nothing was answered, and nothing may be shown.
        """
        watch = _Stopwatch(time.perf_counter())
        self._require_record()
        asked = self._append(QuestionAsked(asker.name, turn_id, conversation_id, question))
        progress(Step(name="searching", text="Searching the documents you may read"))
        sought = asked_as or question
        reading = self._read(sought, asker)
        read = reading.passages
        watch.retrieve = watch.elapsed()
        retrieved = self._append(
            self._passages_read(asker, turn_id, reading, rewritten=asked_as), after=asked
        )
        chunks = [each.chunk for each in read]
        still = _StillReadable(self._gate, self._current, asker, chunks)
        progress(RestsOn(frozenset(chunk.found.version_id for chunk in chunks)))
        evidence = self._evidence.find(sought, chunks)
        passages = _passages(read, evidence)
        if not is_sufficient(evidence):
            if not still.now():
                return self._withhold(asker, turn_id, watch, after=retrieved)
            refused = self._refuse(asker, turn_id, passages, watch, after=retrieved)
            return refused.model_copy(update={"asked_as": asked_as})
        progress(Step(name="reading", text=_reading_text(read)))
        drafted = self._draft(
            sought,
            chunks,
            quotes_only=quotes_only,
            progress=progress,
            stopped=stopped,
            still_readable=still.lately,
            watch=watch,
        )
        if drafted.text and not drafted.withheld:
            progress(Step(name="checking", text="Checking every sentence against the passages"))
        before_check = watch.elapsed()
        answer = self._checked(drafted, chunks, passages, evidence)
        watch.check = watch.elapsed() - before_check
        # The last look at rights before the answer is on record and final.
        if drafted.withheld or not still.now():
            return self._withhold(asker, turn_id, watch, after=retrieved)
        more = {"timings": watch.timings(), "asked_as": asked_as}
        return self._give(asker, turn_id, answer.model_copy(update=more), drafted, after=retrieved)

    def search(self, question: str, asker: Principal, *, limit: int) -> SearchResult:
        """Return the passages that fit a question best, without generating; it is on record."""
        watch = _Stopwatch(time.perf_counter())
        self._require_record()
        asked = self._append(QuestionAsked(asker.name, "", "", question))
        reading = self._read(question, asker, limit=limit)
        read = reading.passages
        self._append(self._passages_read(asker, "", reading), after=asked)
        watch.retrieve = watch.elapsed()
        passages = [
            _passage(each.chunk, each.score).model_copy(update={"found_by": _found_by(each.found)})
            for each in read
        ]
        return SearchResult(
            passages=passages,
            timings=watch.timings(),
            marking=self._catalog.highest_marking([passage.marking for passage in passages]),
        )

    def _read(self, question: str, asker: Principal, *, limit: int = PASSAGES) -> _Reading:
        found = self._retriever.retrieve(question, visible_to=asker, limit=limit + SPARE)
        candidates = {candidate.chunk.chunk_id: candidate for candidate in found}
        authorized = self._gate.authorize(asker, [candidate.chunk for candidate in found])
        chosen = [(chunk, candidates[chunk.found.chunk_id]) for chunk in authorized[:limit]]
        passed = [_Read(chunk, candidate.score, candidate.found) for chunk, candidate in chosen]
        return _Reading(passed, denied=len(found) - len(authorized))

    def _passages_read(
        self, asker: Principal, turn_id: str, reading: _Reading, *, rewritten: str = ""
    ) -> PassagesRead:
        return PassagesRead(
            asker.name,
            turn_id,
            tuple(_passages_read(reading.passages)),
            candidates_denied=reading.denied,
            embedding_sha256=self._fingerprint,
            rewritten=rewritten,
        )

    def _draft(
        self,
        question: str,
        chunks: Sequence[AuthorizedChunk],
        *,
        quotes_only: bool,
        progress: Progress,
        stopped: Stopped,
        still_readable: Callable[[], bool],
        watch: _Stopwatch,
    ) -> _Drafted:
        if quotes_only or self._model is None:
            return _Drafted("", "")
        progress(Step(name="drafting", text="Writing a draft"))
        messages = build_messages(question, passages_for_prompt(chunks))
        prompt = json.dumps(messages, ensure_ascii=False, sort_keys=True)
        pieces: list[str] = []
        before = watch.elapsed()
        try:
            name = self._model.name
            reply = self._model.complete(messages, maximum_tokens=MAXIMUM_ANSWER_TOKENS)
            for piece in reply:
                if watch.first_token is None:
                    watch.first_token = watch.elapsed()
                pieces.append(piece)
                if not still_readable():
                    return _Drafted("", name, withheld=True)
                progress(DraftDelta(text=piece))
                if stopped():
                    return _Drafted("".join(pieces), name, stopped=True, prompt=prompt)
        except (ModelUnavailable, ModelBusy):
            # What had been shown by then stays on record as a draft that came to nothing.
            return _Drafted("", "", note=MODEL_AWAY, prompt=prompt, broken_off="".join(pieces))
        finally:
            watch.generate = watch.elapsed() - before
        return _Drafted("".join(pieces), name, prompt=prompt)

    def _checked(
        self,
        drafted: _Drafted,
        chunks: Sequence[AuthorizedChunk],
        passages: list[Passage],
        evidence: Sequence[Evidence],
    ) -> Answer:
        checked = check_draft(drafted.text, passages_for_prompt(chunks), self._weigh)
        settled = settle(worth_quoting(evidence), evidence, chunks)
        spans = {(found.passage, found.span) for found in settled.evidence}
        kept = [
            each
            for each in checked
            if each.quote and _speaks(each.quote, spans) and not settled.conflict
        ]
        outcome = Outcome.ANSWERED
        if kept or drafted.stopped:
            note, quotes, model = "", kept, drafted.model
        else:
            # Where editions disagree no model may blend them: each speaks for itself.
            note = drafted.note or (NOTHING_BACKED if drafted.text else "")
            note = " ".join(part for part in (settled.note, note) if part)
            quotes, model = _own_words(settled), ""
            outcome = Outcome.CONFLICT if settled.conflict else Outcome.ANSWERED
        citations, numbers = self._cite([each.quote for each in quotes if each.quote], chunks)
        return Answer(
            outcome=Outcome.STOPPED if drafted.stopped else outcome,
            sentences=[
                Sentence(
                    text=each.text,
                    citations=[numbers[each.quote]],
                    quoted=each.verbatim or not model,
                )
                for each in quotes
                if each.quote
            ],
            citations=citations,
            passages=passages,
            marking=self._catalog.highest_marking([chunk.found.marking for chunk in chunks]),
            note=note,
            struck=len(checked) - len(kept),
            model=model,
        )

    def _cite(
        self, quotes: Sequence[Quote], chunks: Sequence[AuthorizedChunk]
    ) -> tuple[list[Citation], dict[Quote, int]]:
        numbers: dict[Quote, int] = {}
        citations: list[Citation] = []
        for quote in quotes:
            if quote not in numbers:
                numbers[quote] = len(numbers) + 1
                citations.append(self._citation(numbers[quote], quote, chunks[quote.passage]))
        return citations, numbers

    def _citation(self, number: int, quote: Quote, chunk: AuthorizedChunk) -> Citation:
        found = chunk.found
        boxes: list[Box] = []
        if (first_page := found.chunk.page) is not None:
            words = self._catalog.words_of(
                found.version_id,
                first_page=first_page,
                last_page=first_page + FURTHER_PAGES_OF_A_CHUNK,
            )
            boxes = line_boxes(words, quote.span.start, quote.span.end)
        return Citation(
            number=number,
            document_id=found.document_id,
            version_id=found.version_id,
            version_number=found.version_number,
            title=found.title,
            path=found.path,
            heading_path=list(found.chunk.heading_path),
            page=boxes[0].page if boxes else None,
            place=found.chunk.place,
            start=quote.span.start,
            end=quote.span.end,
            quote=quote.text,
            marking=found.marking,
            marks=[Mark(**box._asdict()) for box in boxes],
        )

    def _withhold(
        self, asker: Principal, turn_id: str, watch: _Stopwatch, *, after: Entry
    ) -> Answer:
        self._append(AccessDenied(asker.name, f"the answer to question {turn_id}"), after=after)
        milliseconds = round(watch.elapsed())
        self._append(QuestionRefused(asker.name, turn_id, "access_lost", milliseconds), after=after)
        return Answer(
            outcome=Outcome.REFUSED,
            sentences=[],
            citations=[],
            passages=[],
            reason=WITHHELD,
            timings=watch.timings(),
        )

    def _refuse(
        self,
        asker: Principal,
        turn_id: str,
        passages: list[Passage],
        watch: _Stopwatch,
        *,
        after: Entry,
    ) -> Answer:
        milliseconds = round(watch.elapsed())
        refused = QuestionRefused(asker.name, turn_id, "no_evidence", milliseconds)
        self._append(refused, after=after)
        return Answer(
            outcome=Outcome.REFUSED,
            sentences=[],
            citations=[],
            passages=passages,
            marking=self._catalog.highest_marking([passage.marking for passage in passages]),
            reason=NOT_COVERED,
            timings=watch.timings(),
        )

    def _give(
        self, asker: Principal, turn_id: str, answer: Answer, drafted: _Drafted, *, after: Entry
    ) -> Answer:
        asked_of_a_model = bool(drafted.prompt)
        self._append(
            AnswerGiven(
                person=asker.name,
                turn_id=turn_id,
                outcome=answer.outcome.value,
                answer=" ".join(sentence.text for sentence in answer.sentences),
                citations=tuple(
                    CitationGiven(
                        each.number,
                        each.document_id,
                        each.version_id,
                        each.start,
                        each.end,
                        each.quote,
                    )
                    for each in answer.citations
                ),
                model=answer.model,
                struck=answer.struck,
                milliseconds=round(answer.timings.total or 0),
                draft=drafted.text or drafted.broken_off,
                prompt=drafted.prompt,
                prompt_template_sha256=PROMPT_TEMPLATE_SHA256 if asked_of_a_model else "",
                temperature=TEMPERATURE if asked_of_a_model else None,
                seed=SEED if asked_of_a_model else None,
                maximum_tokens=MAXIMUM_ANSWER_TOKENS if asked_of_a_model else None,
            ),
            after=after,
        )
        return answer

    def _require_record(self) -> None:
        """Refuse where the record does not take questions now, before anything is read."""
        with _refusing():
            self._record.require_ready()

    def _append(self, event: Event, *, after: Entry | None = None) -> Entry:
        """Put an event on record, as following from another of the same question."""
        turn_id = str(getattr(event, "turn_id", ""))
        known = {"request_id": f"r:{turn_id}"} if turn_id else {}
        if after is not None:
            known["parent"] = str(after.envelope["id"])
        with within(**known), _refusing():
            return self._record.append(event)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except AuditUnavailable as error:
        raise RecordUnavailable(
            f"The record cannot be written, so questions are refused: {error}"
        ) from error


def _speaks(quote: Quote, spans: set[tuple[int, Span]]) -> bool:
    return any(
        quote.passage == passage and span.start < quote.span.end and quote.span.start < span.end
        for passage, span in spans
    )


def _own_words(settled: Settled) -> list[CheckedSentence]:
    quoted = settled.evidence
    if not settled.conflict:
        quoted = tuple(sorted(quoted, key=lambda found: (found.passage, found.span.start)))
    return [
        CheckedSentence(found.text, Quote(found.passage, found.span, found.text), verbatim=True)
        for found in quoted
    ]


def _passages(read: Sequence[_Read], evidence: Sequence[Evidence]) -> list[Passage]:
    return [
        _passage(each.chunk, passage_match(evidence, number)) for number, each in enumerate(read)
    ]


def _reading_text(read: Sequence[_Read]) -> str:
    documents = len({each.chunk.found.document_id for each in read})
    return f"Reading {len(read)} passages of {documents} document{'s' if documents != 1 else ''}"


def _passage(chunk: AuthorizedChunk, score: float) -> Passage:
    found = chunk.found
    return Passage(
        chunk_id=found.chunk_id,
        document_id=found.document_id,
        version_id=found.version_id,
        version_number=found.version_number,
        title=found.title,
        path=found.path,
        source=found.source_name,
        heading_path=list(found.chunk.heading_path),
        page=found.chunk.page,
        place=found.chunk.place,
        start=found.chunk.start,
        end=found.chunk.end,
        text=found.text,
        score=score,
        marking=found.marking,
    )


def _found_by(found: Found) -> FoundBy:
    return FoundBy(
        meaning_rank=found.dense_rank,
        meaning_score=found.dense_score,
        words_rank=found.words_rank,
        words_score=found.words_score,
        closeness=found.closeness,
        document=found.document,
        reference=found.reference,
        repeats=found.repeats,
    )


def _passages_read(read: Sequence[_Read]) -> list[PassageRead]:
    return [
        PassageRead(
            document_id=each.chunk.found.document_id,
            version_id=each.chunk.found.version_id,
            version_number=each.chunk.found.version_number,
            chunk_id=each.chunk.found.chunk_id,
            chunk_sha256=hashlib.sha256(each.chunk.found.text.encode()).hexdigest(),
            score=round(each.score, 6),
            rank=rank,
        )
        for rank, each in enumerate(read, start=1)
    ]
