"""Answer a question: record, retrieve, authorise, draft, check, record, and only then show."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

from audit.circumstances import within
from audit.entries import Entry
from audit.errors import AuditUnavailable
from audit.events import (
    AccessDenied,
    AnswerGiven,
    Event,
    PassagesRead,
    QuestionAsked,
    QuestionRefused,
    SentenceBacked,
)
from audit.log import AuditLog
from corpus.access import AuthorizedChunk, Gate, Principal, UncheckedChunk
from corpus.catalog import Catalog
from corpus.documents import ChunkId, DocumentId, VersionId
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder, VectorIndex
from corpus.word_vectors import WordVectors
from rag.alongside import alongside
from rag.asked import (
    Doubt,
    Part,
    doubt_before_search,
    doubt_between_documents,
    parts_of,
    rivals_of,
)
from rag.citations import CheckedSentence, Quote, check_draft
from rag.contract import (
    Answer,
    DraftDelta,
    Outcome,
    Passage,
    QuotesBecause,
    SearchResult,
    Sentence,
    SentenceChecked,
    Step,
    Timings,
)
from rag.drafting import Begun, Drafted, Drafter, Hooks
from rag.editions import Settled, settle, told_of_later
from rag.errors import RecordUnavailable
from rag.evidence import Evidence, EvidenceFinder, is_sufficient, worth_quoting
from rag.fusion import DEFAULT, Weights
from rag.generation import SEED, TEMPERATURE, Message, ModelServer
from rag.judging import Weigh
from rag.later import LaterEditions
from rag.prompting import (
    LEAST_ROOM,
    PROMPT_TEMPLATE_SHA256,
    SYSTEM_TEXT,
    USUAL_ROOM,
    PromptPassage,
    StableOrder,
    build_messages,
    passages_for_prompt,
    room_for_passages,
    roughly,
    text_to_count,
)
from rag.reranking import Reranker
from rag.retrieval import Candidate, Retriever
from rag.rewording import Rewriter
from rag.showing import (
    Citer,
    Read,
    citations_given,
    found_by,
    passage_of,
    passages_of,
    passages_read,
    reading_text,
)
from rag.wording import Span

PASSAGES = 6
PASSAGES_PER_FURTHER_PART = 2
MAXIMUM_ANSWER_TOKENS = 160
USUAL_SECONDS: Final = 180.0

CHECKED_AGAIN_SECONDS = 0.2
"""While a draft is written, rights are looked at again this often."""
SHORT_QUESTION: Final = 600
"""Characters up to which a question is not worth asking the model server how long it is."""
SPARE = 6
"""Passages read beyond those needed, so that one the gate holds back leaves no gap."""


@dataclass(frozen=True, slots=True)
class RestsOn:
    """What an answer in the making rests on: whoever is shown its draft must be able to read it."""

    versions: frozenset[VersionId]


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """What a site lays down for its answers.

    Attributes:
        quotes_only: No model words anything.
        quotes_only_sources: Names of sources of which no model is shown anything.
        prompt_tokens: Of all passages of a prompt together, at most.
        seconds: Time for a draft; what is backed by then is the answer.
    """

    quotes_only: bool = False
    quotes_only_sources: frozenset[str] = frozenset()
    prompt_tokens: int = USUAL_ROOM
    seconds: float = USUAL_SECONDS


Happened = Step | DraftDelta | SentenceChecked | RestsOn
Progress = Callable[[Happened], None]
Stopped = Callable[[], bool]
Current = Callable[[Principal], Principal | None]


def _unchanged(principal: Principal) -> Principal:
    return principal


WITHHELD = "This answer is withheld: you may no longer read a document that it rests on."
NOT_COVERED = "The documents you may read do not answer this."
MODEL_AWAY = "The model is away, so this is in the documents' own words."
MODEL_BUSY = "The model had no seat free for too long, so this is in the documents' own words."
MODEL_LATE = "The model took too long, so this is in the documents' own words."
UNFINISHED = "The model did not finish its draft, so this may be incomplete."
MISSING = "Your documents do not answer this part: "
TOO_LONG = "The question fills the model's window, so this is in the documents' own words."
KEPT_FROM_MODEL = "These documents are only ever quoted here, never put into a model's words."
EQUAL_STANDING = "Documents of equal standing say different things about this."
NOTHING_BACKED = (
    "Nothing in the model's draft was backed by the documents, so these are their own words."
)
NOTES: Final[dict[QuotesBecause, str]] = {
    "away": MODEL_AWAY,
    "busy": MODEL_BUSY,
    "late": MODEL_LATE,
    "too_long": TOO_LONG,
    "source": KEPT_FROM_MODEL,
    "unbacked": NOTHING_BACKED,
}


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

    def note_first_token(self) -> None:
        """Note that the first piece of the draft is there."""
        if self.first_token is None:
            self.first_token = self.elapsed()

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
class _Asking:
    """One question being answered.

    Attributes:
        question: As asked.
        sought: The same, made to stand alone.
        asker: Who asks.
        turn_id: Its turn.
        conversation_id: Where it stands.
        quotes_only: No model is wanted.
        may_ask_back: It may be answered with a question.
        progress: Told what happens.
        stopped: Whether it was stopped.
        watch: How long it takes.
    """

    question: str
    sought: str
    asker: Principal
    turn_id: str
    conversation_id: str
    quotes_only: bool
    may_ask_back: bool
    progress: Progress
    stopped: Stopped
    watch: _Stopwatch

    @property
    def asked_as(self) -> str:
        """What a follow-up was understood to ask; empty where it stands alone."""
        return self.sought if self.sought != self.question else ""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read for a question.

    Attributes:
        passages: What the gate let through, best first.
        denied: How many candidates it kept back.
    """

    passages: list[Read]
    denied: int

    @property
    def chunks(self) -> list[AuthorizedChunk]:
        """The chunks alone."""
        return [each.chunk for each in self.passages]


@dataclass(frozen=True, slots=True)
class _Decided:
    """A part of a question and what the passages say to it.

    Attributes:
        part: What is asked.
        evidence: Best first.
        settled: What would be quoted; empty where the evidence does not suffice.
    """

    part: Part
    evidence: list[Evidence]
    settled: Settled

    @property
    def spans(self) -> set[tuple[int, Span]]:
        """Where what would be quoted stands."""
        return {(found.passage, found.span) for found in self.settled.evidence}


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What a model is given.

    Attributes:
        messages: As sent.
        passages: What they quote, in their order.
    """

    messages: list[Message]
    passages: list[PromptPassage]

    @property
    def text(self) -> str:
        """As it goes on record."""
        return json.dumps(self.messages, ensure_ascii=False, sort_keys=True)


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
        weigh: The judge of what answers a question and of what contradicts a passage.
        weigh_again: The larger judge, once it is there, of what the first leaves open.
        may_back: Whether the judge is good enough, now, to find that a passage bears out what is
            said in other words.
        word_vectors: Refine what retrieval finds word by word; None leaves that out.
        reranker: The site's own cross-encoder, if it has one.
        weights: Of the ingredients of retrieval, as the site has adapted them.
        current: Returns somebody with the groups of this moment; None when they may no longer
            ask at all.
        rules: What the site lays down.
        rewriter: Says follow-ups as one question; None reads the two questions together.
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
        weigh_again: Callable[[], Weigh | None] = lambda: None,
        may_back: Callable[[], bool] = lambda: False,
        word_vectors: WordVectors | None = None,
        reranker: Reranker | None = None,
        weights: Weights = DEFAULT,
        current: Current = _unchanged,
        rules: AnswerRules = AnswerRules(),
        rewriter: Rewriter | None = None,
    ) -> None:
        self._catalog = catalog
        self._gate = gate
        self._evidence = EvidenceFinder(
            embedder.embed,
            weigh,
            weigh_again=weigh_again,
            embed_question=embedder.embed_question,
        )
        self._weigh = weigh
        self._weigh_again = weigh_again
        self._may_back = may_back
        self._embed_question = embedder.embed_question
        self._fingerprint = embedder.fingerprint
        self._model = model
        self._record = record
        self._current = current
        self._rules = rules
        self._rewriter = rewriter
        self._order = StableOrder()
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
        self._later = LaterEditions(catalog=catalog, gate=gate, retriever=self._retriever)

    def accept(
        self, question: str, asker: Principal, *, turn_id: str, conversation_id: str
    ) -> Entry:
        """Put a question on record, before it waits for anything.

        Raises:
            RecordUnavailable: It must not be answered.
        """
        return self._append(QuestionAsked(asker.name, turn_id, conversation_id, question))

    def foresee(self, question: str) -> None:
        """Begin what a question needs before anything may be read for it: its own vector."""

        def embed() -> None:
            with suppress(Exception):  # the search meets it again, and says so
                self._embed_question(question)

        threading.Thread(target=embed, name="foreseeing", daemon=True).start()

    def read_ahead(self, chunks: Sequence[UncheckedChunk]) -> None:
        """Read chunks before anybody asks about them; nothing of them is handed out.

        The model server counts their tokens, as it would when they are asked about.
        """
        self._evidence.read_ahead(chunks)
        if self._model is not None and self.words_with_a_model(quotes_only=False):
            self._model.count_ahead(
                [
                    text_to_count(chunk)
                    for chunk in chunks
                    if chunk.source_name not in self._rules.quotes_only_sources
                ]
            )

    def forget(self, chunk_ids: Sequence[ChunkId]) -> None:
        """Drop what was kept of chunks that are live no longer."""
        self._evidence.forget(chunk_ids)

    def words_with_a_model(self, *, quotes_only: bool) -> bool:
        """Say whether a question is one that a model words the answer of."""
        return self._model is not None and not quotes_only and not self._rules.quotes_only

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
        may_ask_back: bool = True,
        accepted: Entry | None = None,
    ) -> Answer:
        """Return what may be shown as the answer; it is on record when this returns.

        Args:
            question: As asked.
            asker: Who asks.
            turn_id: Its turn.
            conversation_id: Where it stands.
            quotes_only: Leave the model out.
            progress: Told what happens; a sentence it is told as firm is on record.
            stopped: Whether it was stopped.
            asked_as: The question made to stand alone; empty where it does.
            may_ask_back: Whether it may be answered with a question, which is done once.
            accepted: Where it stands on record; None puts it there first.

        Raises:
            RecordUnavailable: Nothing was answered, and nothing may be shown.
        """
        asking = _Asking(
            question=question,
            sought=asked_as or question,
            asker=asker,
            turn_id=turn_id,
            conversation_id=conversation_id,
            quotes_only=quotes_only,
            may_ask_back=may_ask_back,
            progress=progress,
            stopped=stopped,
            watch=_Stopwatch(time.perf_counter()),
        )
        if accepted is None:
            self._require_record()
            accepted = self.accept(
                question, asker, turn_id=turn_id, conversation_id=conversation_id
            )
        if may_ask_back and not asked_as and (doubt := doubt_before_search(question, ())):
            return self._ask_back(asking, doubt, [], after=accepted)
        asking = self._reworded(asking)
        answer = self._search_and_answer(asking, after=accepted)
        return answer.model_copy(update={"asked_as": asking.asked_as})

    def _reworded(self, asking: _Asking) -> _Asking:
        """Have a follow-up said as one question, where a model may take part and is fit for it."""
        worded = self.words_with_a_model(quotes_only=asking.quotes_only)
        if not asking.asked_as or not worded or self._rewriter is None:
            return asking
        sought = self._rewriter.reword(asking.question, asking.sought, reader=asking.asker.name)
        return replace(asking, sought=sought)

    def search(self, question: str, asker: Principal, *, limit: int) -> SearchResult:
        """Return the passages that fit a question best, without generating; it is on record."""
        watch = _Stopwatch(time.perf_counter())
        self._require_record()
        asked = self._append(QuestionAsked(asker.name, "", "", question))
        reading = self._read([question], asker, limit=limit)
        self._append(self._passages_read(asker, "", reading), after=asked)
        watch.retrieve = watch.elapsed()
        passages = [
            passage_of(each.chunk, each.score).model_copy(update={"found_by": found_by(each.found)})
            for each in reading.passages
        ]
        return SearchResult(
            passages=passages,
            timings=watch.timings(),
            marking=self._catalog.highest_marking([passage.marking for passage in passages]),
        )

    def _search_and_answer(self, asking: _Asking, *, after: Entry) -> Answer:
        whole = Part(asking.question, asking.sought)
        parts = [whole] if asking.asked_as else parts_of(asking.question)
        sought = list(dict.fromkeys([asking.sought, *(part.sought for part in parts)]))
        limit = PASSAGES + PASSAGES_PER_FURTHER_PART * (len(parts) - 1)
        searching = Step(name="searching", text="Searching the documents you may read")
        with alongside(lambda: asking.progress(searching)):
            reading = self._read_with_later(sought, asking.asker, limit=limit)
        asking.watch.retrieve = asking.watch.elapsed()
        read = self._passages_read(asking.asker, asking.turn_id, reading, rewritten=asking.asked_as)
        with alongside(lambda: self._append(read, after=after)) as retrieved:
            prompt, because = self._prompt(asking, reading.chunks)
        with self._begin(asking, prompt, because) as worded:
            return self._decide_and_word(asking, parts, reading, worded, after=retrieved.result())

    def _begin(self, asking: _Asking, prompt: _Prompt | None, because: QuotesBecause) -> "_Worded":
        """Send the model its prompt at once: it reads while it is decided what may be said.

        Nothing it writes is shown, or kept, before that is decided.
        """
        if prompt is None or self._model is None:
            return _Worded(None, None, None, because)
        drafter = Drafter(
            self._model,
            maximum_tokens=MAXIMUM_ANSWER_TOKENS,
            seconds=self._rules.seconds,
            reader=asking.asker.name,
        )
        return _Worded(prompt, drafter, drafter.begin(prompt.messages), because)

    def _decide_and_word(
        self,
        asking: _Asking,
        parts: list[Part],
        reading: _Reading,
        worded: "_Worded",
        *,
        after: Entry,
    ) -> Answer:
        chunks, retrieved = reading.chunks, after
        still = _StillReadable(self._gate, self._current, asking.asker, chunks)
        asking.progress(RestsOn(frozenset(chunk.found.version_id for chunk in chunks)))
        decided = [self._decide(part, chunks) for part in parts]
        evidence = [found for each in decided for found in each.evidence]
        passages = passages_of(reading.passages, evidence)
        answered = [each for each in decided if each.settled.evidence]
        if not answered:
            if not still.now():
                return self._withhold(asking, after=retrieved)
            return self._refuse(asking, passages, after=retrieved)
        if len(decided) == 1 and (
            doubt := doubt_between_documents(asking.sought, decided[0].evidence, chunks)
        ):
            if asking.may_ask_back and still.now():
                return self._ask_back(asking, doubt, passages, after=retrieved)
            rivals = tuple(rivals_of(decided[0].evidence, chunks))
            answered = [
                replace(decided[0], settled=Settled(rivals, conflict=True, note=EQUAL_STANDING))
            ]
        missing = [each.part.text for each in decided if not each.settled.evidence]
        asking.progress(Step(name="reading", text=reading_text(reading.passages)))
        making = _Making(
            asking=asking,
            chunks=chunks,
            answered=answered,
            still=still,
            citer=Citer(self._catalog, chunks),
            after=retrieved,
            append=self._append,
            weigh=self._weigh,
            weigh_again=self._weigh_again(),
            may_back=self._may_back(),
        )
        return self._word(making, passages, missing, worded)

    def _word(
        self,
        making: "_Making",
        passages: list[Passage],
        missing: list[str],
        worded: "_Worded",
    ) -> Answer:
        """Have the answer worded, by the model where one may, and give it."""
        asking, watch = making.asking, making.asking.watch
        drafted = Drafted(because=self._quotes_because(making) or worded.because)
        prompt = None if drafted.because else worded.prompt
        if prompt is not None and worded.drafter is not None and worded.begun is not None:
            asking.progress(Step(name="drafting", text="Writing a draft"))
            before = watch.elapsed()
            drafted = worded.drafter.draft(worded.begun, making.hooks(prompt.passages))
            watch.generate = watch.elapsed() - before
            if drafted.text and not drafted.withheld:
                asking.progress(
                    Step(name="checking", text="Checking every sentence against the passages")
                )
        before_check = watch.elapsed()
        answer = making.answer(drafted, missing).model_copy(
            update={
                "passages": passages,
                "marking": self._catalog.highest_marking(
                    [chunk.found.marking for chunk in making.chunks]
                ),
            }
        )
        answer = self._with_later_editions(answer, asking.asker)
        watch.check = watch.elapsed() - before_check
        # The last look at rights before the answer is on record and final.
        if drafted.withheld or not making.still.now():
            return self._withhold(asking, after=making.after)
        answer = answer.model_copy(update={"timings": watch.timings()})
        return self._give(asking, answer, drafted, prompt, after=making.after)

    def _with_later_editions(self, answer: Answer, asker: Principal) -> Answer:
        """Say of what is quoted from an earlier edition that there is a later one.

        The later one may say nothing like it; only documents that the asker may read are named.
        """
        cited = {citation.path for citation in answer.citations}
        notes, named = [answer.note], set[str]()
        for citation in {each.document_id: each for each in answer.citations}.values():
            own = DocumentId(citation.document_id)
            later = self._later.of(own, citation.title, citation.path, asker)
            if later is not None and later.path not in cited:
                name = later.title, later.path
                notes.append(told_of_later(citation.title, citation.path, name))
                named.add(later.version_id)
        note = " ".join(dict.fromkeys(note for note in notes if note))
        return answer.model_copy(update={"note": note, "names": sorted(named)})

    def _read_with_later(self, sought: Sequence[str], asker: Principal, *, limit: int) -> _Reading:
        """Return what may be read, with what later editions say where earlier ones were found."""
        reading = self._read(sought, asker, limit=limit)
        later, denied = self._later.beside(sought[0], reading.chunks, asker)
        return _Reading([*reading.passages, *later], denied=reading.denied + denied)

    def _read(self, sought: Sequence[str], asker: Principal, *, limit: int) -> _Reading:
        """Return what may be read for the forms of a question, the best of each in turn."""
        found = [
            self._retriever.retrieve(each, visible_to=asker, limit=limit + SPARE) for each in sought
        ]
        candidates: dict[str, Candidate] = {}
        for row in zip_longest(*found):
            for one in row:
                if one is not None:
                    candidates.setdefault(one.chunk.chunk_id, one)
        ordered = [one.chunk for one in candidates.values()][: limit + SPARE]
        authorized = self._gate.authorize(asker, ordered)
        passed = [
            Read(chunk, one.score, one.found)
            for chunk in authorized[:limit]
            for one in (candidates[chunk.found.chunk_id],)
        ]
        return _Reading(passed, denied=len(ordered) - len(authorized))

    def _passages_read(
        self, asker: Principal, turn_id: str, reading: _Reading, *, rewritten: str = ""
    ) -> PassagesRead:
        return PassagesRead(
            asker.name,
            turn_id,
            tuple(passages_read(reading.passages)),
            candidates_denied=reading.denied,
            embedding_sha256=self._fingerprint,
            rewritten=rewritten,
        )

    def _decide(self, part: Part, chunks: Sequence[AuthorizedChunk]) -> _Decided:
        """Say what the passages have to say to a part of a question, if it is enough."""
        evidence = self._evidence.find(part.sought, chunks)
        enough = is_sufficient(evidence)
        if not enough:
            return _Decided(part, evidence, Settled(()))
        quoted = worth_quoting(evidence)
        settled = settle(quoted, evidence, chunks, self._evidence.alike, part.sought)
        return _Decided(part, evidence, settled)

    def _prompt(
        self, asking: _Asking, chunks: list[AuthorizedChunk]
    ) -> tuple[_Prompt | None, QuotesBecause]:
        """Return what the model is given, or why it is given nothing."""
        model = self._model
        if asking.quotes_only or self._rules.quotes_only:
            return None, "asked" if asking.quotes_only else "site"
        if model is None or not chunks:
            return None, "off" if model is None else ""
        chosen = self._chosen(asking, chunks, model)
        if not chosen:
            return None, "too_long"
        arranged = self._order.arrange(chosen, asking.asker.name)
        return _Prompt(build_messages(asking.sought, arranged), arranged), ""

    def _chosen(
        self, asking: _Asking, chunks: list[AuthorizedChunk], model: ModelServer
    ) -> list[PromptPassage]:
        """Return what of the passages fits the model's window; nothing where hardly any does."""
        kept_back = frozenset(
            place
            for place, chunk in enumerate(chunks)
            if chunk.found.source_name in self._rules.quotes_only_sources
        )
        shown = [
            text_to_count(chunk.found)
            for place, chunk in enumerate(chunks)
            if place not in kept_back
        ]
        model.count_ahead([SYSTEM_TEXT, *shown])
        short = len(asking.sought) <= SHORT_QUESTION
        room = room_for_passages(
            context=model.context_tokens,
            reply=MAXIMUM_ANSWER_TOKENS,
            question=(roughly if short else model.count_tokens)(asking.sought),
            system=model.count_tokens(SYSTEM_TEXT),
            most=self._rules.prompt_tokens,
        )
        if room < LEAST_ROOM:
            return []
        return passages_for_prompt(chunks, room=room, count=model.count_tokens, leave_out=kept_back)

    def _quotes_because(self, making: "_Making") -> QuotesBecause:
        """Return why what was found may not be worded by a model; empty where it may."""
        if making.conflict:
            # Where editions disagree no model may blend them: each speaks for itself.
            return "conflict"
        sources = {making.chunks[passage].found.source_name for passage, _ in making.spans}
        return "source" if sources & self._rules.quotes_only_sources else ""

    def _ask_back(
        self, asking: _Asking, doubt: Doubt, passages: list[Passage], *, after: Entry
    ) -> Answer:
        told = " / ".join([doubt.asks, *doubt.choices])
        self._append(
            QuestionRefused(
                asking.asker.name,
                asking.turn_id,
                f"unclear: {told}",
                round(asking.watch.elapsed()),
            ),
            after=after,
        )
        return Answer(
            outcome=Outcome.UNCLEAR,
            sentences=[],
            citations=[],
            passages=passages,
            marking=self._catalog.highest_marking([passage.marking for passage in passages]),
            asks=doubt.asks,
            choices=list(doubt.choices),
            timings=asking.watch.timings(),
        )

    def _withhold(self, asking: _Asking, *, after: Entry) -> Answer:
        person, turn_id = asking.asker.name, asking.turn_id
        self._append(AccessDenied(person, f"the answer to question {turn_id}"), after=after)
        milliseconds = round(asking.watch.elapsed())
        self._append(QuestionRefused(person, turn_id, "access_lost", milliseconds), after=after)
        return Answer(
            outcome=Outcome.REFUSED,
            sentences=[],
            citations=[],
            passages=[],
            reason=WITHHELD,
            timings=asking.watch.timings(),
        )

    def _refuse(self, asking: _Asking, passages: list[Passage], *, after: Entry) -> Answer:
        milliseconds = round(asking.watch.elapsed())
        refused = QuestionRefused(asking.asker.name, asking.turn_id, "no_evidence", milliseconds)
        self._append(refused, after=after)
        return Answer(
            outcome=Outcome.REFUSED,
            sentences=[],
            citations=[],
            passages=passages,
            marking=self._catalog.highest_marking([passage.marking for passage in passages]),
            reason=NOT_COVERED,
            timings=asking.watch.timings(),
        )

    def _give(
        self,
        asking: _Asking,
        answer: Answer,
        drafted: Drafted,
        prompt: _Prompt | None,
        *,
        after: Entry,
    ) -> Answer:
        asked_of_a_model = prompt is not None
        self._append(
            AnswerGiven(
                person=asking.asker.name,
                turn_id=asking.turn_id,
                outcome=answer.outcome.value,
                answer=" ".join(sentence.text for sentence in answer.sentences),
                citations=citations_given(answer.citations),
                model=answer.model,
                struck=answer.struck,
                milliseconds=round(answer.timings.total or 0),
                draft=drafted.text or drafted.broken_off,
                prompt=prompt.text if prompt is not None else "",
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


@dataclass(frozen=True, slots=True)
class _Worded:
    """What a model is at, or why it is at nothing; ending the block drops what it wrote.

    Attributes:
        prompt: What it was given.
        drafter: Who makes a draft of its reply.
        begun: The reply.
        because: Why there is none of these.
    """

    prompt: _Prompt | None
    drafter: Drafter | None
    begun: Begun | None
    because: QuotesBecause

    def __enter__(self) -> "_Worded":
        return self

    def __exit__(self, *_: object) -> None:
        if self.begun is not None:
            self.begun.close()


class _Making:
    """An answer in the making: what it rests on, and which sentences of the draft are backed.

    Args:
        asking: What is asked.
        chunks: What was read.
        answered: The parts that the passages answer.
        still: Whether the asker may still read it.
        citer: Numbers the quotes.
        after: Where the reading stands on record.
        append: Puts an event on record, as following from another.
        weigh: The judge.
        weigh_again: The larger judge; None while there is none.
        may_back: Whether the first may find borne out what words alone do not show.
    """

    def __init__(
        self,
        *,
        asking: _Asking,
        chunks: list[AuthorizedChunk],
        answered: list[_Decided],
        still: _StillReadable,
        citer: Citer,
        after: Entry,
        append: Callable[..., Entry],
        weigh: Weigh,
        weigh_again: Weigh | None,
        may_back: bool,
    ) -> None:
        self.asking = asking
        self.chunks = chunks
        self.still = still
        self.after = after
        self.spans = {span for each in answered for span in each.spans}
        self.conflict = any(each.settled.conflict for each in answered)
        self._answered = answered
        self._citer = citer
        self._append = append
        self._weigh = weigh
        self._weigh_again = weigh_again
        self._may_back = may_back
        self._kept: list[CheckedSentence] = []
        self._struck = 0

    def hooks(self, passages: Sequence[PromptPassage]) -> Hooks:
        """Return what a draft over some passages reports to."""
        places = [place for passage in passages for place in passage.places]
        shown = [self.chunks[place] for place in places]

        def check(number: int, span: Span, text: str) -> bool:
            drafted = check_draft(
                text,
                shown,
                self._weigh,
                weigh_again=self._weigh_again,
                may_back=self._may_back,
            )
            return self._check(number, span, _among_all(text, drafted, places))

        return Hooks(
            progress=self.asking.progress,
            first=self.asking.watch.note_first_token,
            check=check,
            stopped=self.asking.stopped,
            still_readable=self.still.lately,
        )

    def answer(self, drafted: Drafted, missing: list[str]) -> Answer:
        """Return the answer: what of the draft is backed, and the documents' words where none is.

        Passages, marking and timings are left to whoever gives it.
        """
        lacking = [] if drafted.stopped else self._lacking()
        because: QuotesBecause = ""
        if not self._kept and not drafted.stopped:
            because = drafted.because or "unbacked"
        own_words = [one for each in lacking for one in _own_words(each.settled)]
        sentences = list(dict.fromkeys([*self._kept, *own_words]))
        notes = [each.settled.note for each in lacking]
        notes.append(NOTES.get(because, "") if because else "")
        notes.append(UNFINISHED if self._kept and drafted.because else "")
        model = drafted.model if self._kept or drafted.stopped else ""
        return Answer(
            outcome=self._outcome(drafted, missing),
            sentences=[self._sentence(one, model) for one in sentences],
            citations=self._citer.citations,
            passages=[],
            reason=MISSING + "; ".join(missing) + "." if missing else "",
            note=" ".join(dict.fromkeys(note for note in notes if note)),
            struck=self._struck,
            model=model,
            missing=missing,
            quotes_because=because,
        )

    def _lacking(self) -> list[_Decided]:
        """Return the parts of which nothing worded by the model was backed."""
        if self._kept and len(self._answered) == 1:
            return []
        return [each for each in self._answered if not self._is_worded(each)]

    def _outcome(self, drafted: Drafted, missing: list[str]) -> Outcome:
        if drafted.stopped:
            return Outcome.STOPPED
        if self.conflict:
            return Outcome.CONFLICT
        return Outcome.PARTLY if missing else Outcome.ANSWERED

    def _is_worded(self, decided: _Decided) -> bool:
        return any(_speaks(quote, decided.spans) for each in self._kept for quote in each.quotes)

    def _sentence(self, one: CheckedSentence, model: str) -> Sentence:
        numbers = [self._citer.cite(quote).number for quote in one.quotes]
        return Sentence(text=one.text, citations=numbers, quoted=one.verbatim or not model)

    def _check(self, number: int, span: Span, checked: CheckedSentence) -> bool:
        """Tell a sentence as firm, when it is on record, or as struck."""
        told = SentenceChecked(
            number=number, start=span.start, end=span.end, text=checked.text, firm=False
        )
        if not checked.quotes or not all(_speaks(quote, self.spans) for quote in checked.quotes):
            self._struck += 1
            self.asking.progress(told)
            return True
        if not self.still.now():
            return False
        citations = [self._citer.cite(quote) for quote in checked.quotes]
        person, turn_id = self.asking.asker.name, self.asking.turn_id
        given = citations_given(citations)
        self._append(SentenceBacked(person, turn_id, number, checked.text, given), after=self.after)
        self._kept.append(checked)
        self.asking.progress(
            told.model_copy(
                update={"firm": True, "quoted": checked.verbatim, "citations": citations}
            )
        )
        return True


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
        CheckedSentence(found.text, (Quote(found.passage, found.span, found.text),), verbatim=True)
        for found in quoted
    ]


def _among_all(
    text: str, drafted: Sequence[CheckedSentence], places: Sequence[int]
) -> CheckedSentence:
    """Return a sentence with what backs it, told by its place among all that was read."""
    checked = next(iter(drafted), CheckedSentence(text))
    quotes = [replace(quote, passage=places[quote.passage]) for quote in checked.quotes]
    return replace(checked, quotes=tuple(quotes))
