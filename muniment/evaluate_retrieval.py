"""The command ``evaluate retrieval``: what is found against what is known to be relevant."""

import hashlib
import json
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from corpus.access import AccessListId, Principal
from corpus.catalog import Catalog
from corpus.documents import ChunkId, DocumentId, VersionId
from corpus.embedding import Embedder
from corpus.index import Bm25Encoder, Point, VectorIndex, open_index
from corpus.index.bm25 import PAIR_WEIGHT, IndexedText
from corpus.kept_vectors import KeptVectors
from corpus.vectors import FloatVector
from corpus.word_vectors import WordVectors
from muniment.assembly import House, load_embedder, load_word_vectors, open_house
from muniment.errors import InputMissing
from muniment.settings import Settings
from muniment.terminal import example, print_json
from rag.fusion import DEFAULT, Weights
from rag.measures import (
    Difference,
    Evidence,
    Figure,
    Locator,
    Retrieved,
    Values,
    differences,
    figures,
    measured,
    measured_in_files,
    percentile,
)
from rag.ranking import Ranked, Ranker, Watch

EVERYONE = AccessListId(1)
MEASURER = Principal("measurer", frozenset({"measured"}))
NAMESPACE = uuid.UUID("0d5a5d5e-43a1-5c1e-9a44-2f6f7c2b7d11")
BATCH_TEXTS = 2_048
DEEPEST = 100
INGREDIENTS = tuple(one.name for one in fields(Weights))


@dataclass(frozen=True, slots=True)
class Run:
    """What a measurement found.

    Attributes:
        values: Of every measure and question.
        steps: CPU milliseconds of every step, one value a question.
        passages: How many were searched.
    """

    values: Values
    steps: dict[str, list[float]]
    passages: int


@dataclass(frozen=True, slots=True)
class FileQuestion:
    """A question about files, with the places that answer it.

    Attributes:
        question_id: Its name in the file.
        question: As a person would ask it.
        evidence: Document, and where known page, span or quoted text.
    """

    question_id: str
    question: str
    evidence: tuple[dict[str, object], ...]


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured, and how.

    Attributes:
        weights: Of the ingredients.
        half: 0 or 1 takes one half of the questions, by a hash of their names; None takes all.
        vectors: Where vectors are kept from one run to the next.
        pairs: Weight of neighbouring terms of a question.
        headings: Whether the headings above a passage are indexed; of passages alone.
    """

    weights: Weights
    half: int | None
    vectors: Path
    pairs: float = PAIR_WEIGHT
    headings: bool = True


@click.command("retrieval", epilog=example("muniment evaluate retrieval --beir DIR --json"))
@click.option("--beir", type=click.Path(path_type=Path), help="corpus.jsonl, queries.jsonl, qrels.")
@click.option("--files", type=click.Path(path_type=Path), help="A folder of documents.")
@click.option("--questions", type=click.Path(path_type=Path), help="Of --files, as JSON lines.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep what --files read here.")
@click.option("--half", type=click.IntRange(0, 1), help="One half of the questions, by a hash.")
@click.option("--without", type=click.Choice(INGREDIENTS), multiple=True, help="Leave out.")
@click.option("--save", type=click.Path(path_type=Path), metavar="NAME", help="Keep the values.")
@click.option("--compare", type=click.Path(path_type=Path), metavar="NAME", help="With kept ones.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def evaluate_retrieval(
    context: click.Context,
    *,
    beir: Path | None,
    files: Path | None,
    questions: Path | None,
    keep: Path | None,
    half: int | None,
    without: Sequence[str],
    save: Path | None,
    compare: Path | None,
    as_json: bool,
) -> None:
    """Measure retrieval against passages or places that are known to answer.

    --beir takes the field's usual layout and measures passages. --files reads a folder as a
    source would and measures documents, pages and characters; each line of --questions has id,
    question and evidence: a list of document, and where known page (from 0) and quote.
    """
    settings: Settings = context.obj
    weights = replace(DEFAULT, **dict.fromkeys(without, 0.0))
    vectors = settings.data / "cache" / "vectors.db"
    options = Options(weights, half, vectors)
    kept = _read_values(compare) if compare is not None else None
    if beir is not None and files is None:
        run = measure_passages(beir, settings, options)
    elif files is not None and questions is not None:
        run = measure_files(files, questions, settings, options, keep=keep)
    else:
        raise click.UsageError("Give --beir DIR, or --files DIR and --questions FILE.")
    if save is not None:
        _save(run.values, save)
    changed = differences(run.values, kept) if kept is not None else {}
    if as_json:
        print_json(as_plain(run, changed))
    else:
        _print(run, changed)


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages with questions about them.

    Attributes:
        rows: The lines of ``corpus.jsonl``.
        asked: Every question's text, by its name.
        relevant: Question, then passage, then grade.
    """

    rows: list[dict[str, object]]
    asked: dict[str, str]
    relevant: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Indexed:
    """An index of passages alone, with what it takes to rank them."""

    index: VectorIndex
    embedder: Embedder
    words: WordVectors | None

    def ranker(self, options: Options) -> Ranker:
        """Return what ranks with some options."""
        return Ranker(
            index=self.index,
            embedder=self.embedder,
            bm25=Bm25Encoder(pair_weight=options.pairs),
            word_vectors=self.words,
            weights=options.weights,
        )


def measure_passages(folder: Path, settings: Settings, options: Options) -> Run:
    """Measure the passages of a folder in the layout of BEIR, on an index of their own.

    The title of a passage counts as the headings above it; ``metadata.document`` says which
    passages are of one document.

    Raises:
        InputMissing: A file is not there or cannot be read.
    """
    passages = read_passages(folder)
    with indexed(passages.rows, settings, options) as there:
        return measure_indexed(there, passages, options)


def read_passages(folder: Path) -> Passages:
    """Return what a folder in the layout of BEIR holds.

    Raises:
        InputMissing: A file is not there or cannot be read.
    """
    rows = list(_json_lines(folder / "corpus.jsonl"))
    asked = {str(row["_id"]): str(row["text"]) for row in _json_lines(folder / "queries.jsonl")}
    return Passages(rows, asked, _relevant(folder))


def measure_indexed(there: Indexed, passages: Passages, options: Options) -> Run:
    """Ask every question that something is relevant to, and measure what is found."""
    ranker = there.ranker(options)
    ids = {passage_id(row): str(row["_id"]) for row in passages.rows}
    found: dict[str, dict[str, float]] = {}
    steps: dict[str, list[float]] = {}
    for question_id in half_of(
        sorted(passages.relevant.keys() & passages.asked.keys()), options.half
    ):
        ranked = _timed_rank(ranker, passages.asked[question_id], frozenset({EVERYONE}), steps)
        found[question_id] = {ids[one.chunk_id]: one.score for one in ranked}
    chosen = {name: grades for name, grades in passages.relevant.items() if name in found}
    return Run(measured(chosen, found), steps, len(passages.rows))


def passage_id(row: dict[str, object]) -> ChunkId:
    """Return the id under which a passage is indexed."""
    return ChunkId(str(uuid.uuid5(NAMESPACE, str(row["_id"]))))


@contextmanager
def indexed(
    rows: Sequence[dict[str, object]], settings: Settings, options: Options
) -> Iterator[Indexed]:
    """Index passages in a folder that goes with the context."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muniment-measure-")))
        embedder = load_embedder(settings)
        vectors = stack.enter_context(closing(KeptVectors(embedder, options.vectors)))
        index = stack.enter_context(
            closing(
                open_index(
                    folder=folder,
                    url="",
                    api_key="",
                    dimension=embedder.dimension,
                    fingerprint=embedder.fingerprint,
                )
            )
        )
        bm25, known = Bm25Encoder(), set[str]()
        for start in range(0, len(rows), BATCH_TEXTS):
            some = rows[start : start + BATCH_TEXTS]
            dense = vectors.embed([str(row["text"]) for row in some])
            index.upsert(
                [
                    _point(row if options.headings else {**row, "title": ""}, vector, bm25, known)
                    for row, vector in zip(some, dense, strict=True)
                ]
            )
        yield Indexed(index, embedder, load_word_vectors(settings, embedder))


def indexed_text(row: dict[str, object], names: str = "") -> IndexedText:
    """Return a passage as the word index reads it, under the headings in its title."""
    title = str(row.get("title") or "")
    headings = tuple(part.strip() for part in title.split("\u203a") if part.strip())
    return IndexedText(str(row["text"]), headings=headings, names=names)


def _point(row: dict[str, object], dense: FloatVector, bm25: Bm25Encoder, known: set[str]) -> Point:
    metadata = row.get("metadata")
    document = str(metadata.get("document", "")) if isinstance(metadata, dict) else ""
    first = bool(document) and document not in known
    known.add(document)
    own = document or str(row["_id"])
    return Point(
        chunk_id=passage_id(row),
        document_id=DocumentId(own),
        version_id=VersionId(own),
        access_list=EVERYONE,
        dense=dense,
        sparse=bm25.encode_text(indexed_text(row, names=document if first else "")),
        live=True,
    )


def measure_files(
    folder: Path, questions: Path, settings: Settings, options: Options, *, keep: Path | None
) -> Run:
    """Bring a folder in as a source would be, ask every question, and measure what was found.

    Args:
        folder: Of documents.
        questions: JSON lines.
        settings: For the embedding model and the limits of reading.
        options: What is measured.
        keep: Keeps what was read, so that the next run reads only what has changed.

    Raises:
        InputMissing: The questions cannot be read.
    """
    asked = [_file_question(row) for row in _json_lines(questions)]
    with ExitStack() as stack:
        data = keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="muniment-measure-"))
        )
        data.mkdir(parents=True, exist_ok=True)
        own = settings.model_copy(update={"data": data, "model_off": True, "qdrant_url": ""})
        house = stack.enter_context(open_house(own, worker=True))
        bring_in(house, folder)
        evidence = _located(asked, house.catalog)
        ranker = Ranker(
            index=house.index,
            embedder=house.embedder,
            bm25=Bm25Encoder(pair_weight=options.pairs),
            word_vectors=load_word_vectors(own, house.embedder),
            weights=options.weights,
        )
        lists = house.gate.lists_for(MEASURER)
        steps: dict[str, list[float]] = {}
        found: dict[str, list[Retrieved]] = {}
        texts = {one.question_id: one.question for one in asked}
        for question_id in half_of(sorted(evidence), options.half):
            ranked = _timed_rank(ranker, texts[question_id], lists, steps)
            found[question_id] = _retrieved(house.catalog, ranked[:DEEPEST])
        passages = house.index.count()
    chosen = {question: evidence[question] for question in found}
    return Run(measured_in_files(chosen, found), steps, passages)


def bring_in(house: House, folder: Path) -> None:
    """Read a folder, as far as it has changed, into a house that was opened with a worker."""
    source = house.catalog.add_source(
        name="measured", location=folder.resolve(), groups=frozenset(MEASURER.groups)
    )
    if house.pipeline is not None:
        house.pipeline.run(house.catalog.queue_run(source.source_id))


def _located(asked: Sequence[FileQuestion], catalog: Catalog) -> dict[str, tuple[Evidence, ...]]:
    versions = {version.path: version for version in catalog.live_versions()}
    locators: dict[str, Locator] = {}
    located = {}
    for question in asked:
        pieces = []
        for piece in question.evidence:
            path = str(piece["document"])
            page, quote = piece.get("page"), piece.get("quote")
            span = None
            if quote and path in versions:
                if path not in locators:
                    locators[path] = Locator(catalog.text_of(versions[path].version_id))
                near = piece.get("near")
                span = locators[path].find(
                    str(quote), near=float(near) if isinstance(near, int | float) else 0.0
                )
            pieces.append(Evidence(path, page if isinstance(page, int) else None, span))
        located[question.question_id] = tuple(pieces)
    return located


def _retrieved(catalog: Catalog, ranked: Sequence[Ranked]) -> list[Retrieved]:
    return [
        Retrieved(one.path, one.chunk.page, one.chunk.start, one.chunk.end)
        for one in catalog.load_chunks([one.chunk_id for one in ranked])
    ]


def _timed_rank(
    ranker: Ranker, question: str, lists: frozenset[AccessListId], steps: dict[str, list[float]]
) -> list[Ranked]:
    watch = Watch(clock=time.process_time)
    ranked = ranker.rank(question, access_lists=lists, watch=watch)
    for step, milliseconds in {**watch.steps, "all": sum(watch.steps.values())}.items():
        steps.setdefault(step, []).append(milliseconds)
    return ranked[:DEEPEST]


def half_of(question_ids: Sequence[str], half: int | None) -> list[str]:
    """Return one half of some questions, by a hash of their names; all of them for None."""
    if half is None:
        return list(question_ids)
    return [one for one in question_ids if hashlib.sha256(one.encode()).digest()[0] % 2 == half]


def _json_lines(path: Path) -> Iterator[dict[str, object]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise InputMissing(f"{path}, line {number} is not an object.")
                    yield row
    except (OSError, ValueError) as error:
        raise InputMissing(f"{path} cannot be read: {error}") from error


def _relevant(folder: Path) -> dict[str, dict[str, int]]:
    relevant: dict[str, dict[str, int]] = {}
    tables = sorted((folder / "qrels").glob("*.tsv"))
    if not tables:
        raise InputMissing(f"{folder / 'qrels'} holds no .tsv file of relevant passages.")
    for table in tables:
        for line in table.read_text(encoding="utf-8").splitlines():
            parts = line.split("\t")
            if len(parts) >= 3 and parts[-1].strip().lstrip("-").isdigit():
                relevant.setdefault(parts[0], {})[parts[-2]] = int(parts[-1])
    return relevant


def _file_question(row: dict[str, object]) -> FileQuestion:
    evidence = row.get("evidence")
    if not isinstance(evidence, list) or not evidence or "question" not in row:
        raise InputMissing(
            f"A question needs id, question and evidence; {row.get('id')} lacks one."
        )
    return FileQuestion(str(row.get("id")), str(row["question"]), tuple(evidence))


def _file_named(name: Path) -> Path:
    return name if name.suffix else name.with_suffix(".json")


def _save(values: Values, name: Path) -> None:
    try:
        _file_named(name).write_text(json.dumps(values))
    except OSError as error:
        raise InputMissing(f"{_file_named(name)} cannot be written: {error.strerror}.") from error


def _read_values(name: Path) -> Values:
    try:
        values: Values = json.loads(_file_named(name).read_text())
    except (OSError, ValueError) as error:
        raise InputMissing(
            f"The kept values {_file_named(name)} cannot be read: {error}"
        ) from error
    return values


def as_plain(run: Run, changed: dict[str, Difference]) -> dict[str, object]:
    """Return a run as JSON has it."""
    return {
        "passages": run.passages,
        "figures": {name: asdict(figure) for name, figure in figures(run.values).items()},
        "changed": {name: asdict(difference) for name, difference in changed.items()},
        "milliseconds": {
            step: {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95)}
            for step, values in run.steps.items()
        },
    }


def _print(run: Run, changed: dict[str, Difference]) -> None:
    console = Console(highlight=False)
    table = Table("Measure", "Mean", "95 %", "Questions", *(["Change"] if changed else []))
    for name, figure in figures(run.values).items():
        table.add_row(name, *_row(figure), *([_change(changed.get(name))] if changed else []))
    console.print(table)
    times = Table("CPU milliseconds", "p50", "p95")
    for step, values in run.steps.items():
        times.add_row(step, f"{percentile(values, 0.5):.1f}", f"{percentile(values, 0.95):.1f}")
    console.print(times)
    console.print(f"{run.passages} passages, with an access filter.")


def _row(figure: Figure) -> tuple[str, str, str]:
    return f"{figure.mean:.4f}", f"{figure.low:.4f} to {figure.high:.4f}", str(figure.questions)


def _change(difference: Difference | None) -> str:
    if difference is None:
        return ""
    return f"{difference.mean:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
