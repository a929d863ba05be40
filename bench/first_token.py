"""Time to the first token: through Muniment against the bare model server, and asked again.

    python -m bench first_token

Each question is asked twice through the assistant and its prompt is sent twice to the bare server:
first cold, the prompt in nobody's cache (two characters of the system text are changed for that,
which leaves its length as it is), then warm. At last a second question over the same passages.
Where MUNIMENT_MODEL_URL names a model server that runs, that one is asked.
"""

import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

import muniment.silence  # noqa: F401  (first, before anything that might speak)
from bench.main_job import QUESTIONS, ingest_samples, model_server, sample_reader
from corpus.access import Principal
from muniment.assembly import House, load_judge, open_house
from muniment.settings import load_settings
from rag.assistant import Assistant, Happened
from rag.contract import DraftDelta
from rag.evaluation import read_questions
from rag.generation import Message, ModelServer

MEASURED = 8
SECOND = "Say in other words: {}"

console = Console(highlight=False, width=110)


class _Tapped(ModelServer):
    """A model server that marks its prompts, and remembers the last and when it was sent."""

    def __init__(self, model: ModelServer) -> None:
        self.__dict__.update(model.__dict__)
        self.mark = "00"
        self.messages: Sequence[Message] = ()
        self.sent_at = 0.0
        self.reader = ""

    def complete(
        self,
        messages: Sequence[Message],
        *,
        maximum_tokens: int,
        stop: Sequence[str] = (),
        seconds: float | None = None,
        ended: Callable[[str], None] | None = None,
        reader: str = "",
    ) -> Generator[str, None, None]:
        """Note the prompt and when it goes."""
        self.messages = messages
        self.reader = reader
        self.sent_at = time.perf_counter()
        yield from super().complete(
            _marked(messages, self.mark),
            maximum_tokens=maximum_tokens,
            stop=stop,
            seconds=seconds,
            ended=ended,
            reader=reader,
        )

    def bare(self, mark: str) -> float:
        """Return milliseconds to the first token of the last prompt, sent without Muniment."""
        started = time.perf_counter()
        reply = super().complete(_marked(self.messages, mark), maximum_tokens=1, reader=self.reader)
        for _ in reply:
            break
        return (time.perf_counter() - started) * 1_000


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of one question.

    Attributes:
        bare: The server alone, for the same prompt.
        whole: From the question to the first piece, through the assistant.
        before: Of that, until the prompt was sent.
        bare_warm: As `bare`, the prompt in the server's cache.
        whole_warm: As `whole`, the prompt in the server's cache and the passages read before.
        second: A second question over the same passages, through the assistant.
    """

    bare: float
    whole: float
    before: float
    bare_warm: float
    whole_warm: float
    second: float


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="muniment-first-token-") as folder:
        settings = load_settings().model_copy(update={"data": Path(folder), "model_off": True})
        with open_house(settings, worker=True) as house:
            ingest_samples(house)
            with model_server(settings) as model:
                if model is None:
                    console.print("Skipped: no model server (make up installs one).")
                    return
                _show(_measured(house, _Tapped(model), sample_reader()))


def _measured(house: House, model: _Tapped, reader: Principal) -> list[Times]:
    assistant = Assistant(
        catalog=house.catalog,
        gate=house.gate,
        index=house.index,
        embedder=house.embedder,
        bm25=house.bm25,
        model=model,
        record=house.record,
        weigh=load_judge(house.settings).weigh,
    )
    times: list[Times] = []
    for number, known in enumerate(read_questions(QUESTIONS)):
        if len(times) == MEASURED:
            break
        model.mark = f"q{number % 100:02}"
        first = _asked(assistant, known.question, reader, model)
        if first is None:
            continue
        bare = model.bare(f"b{number % 100:02}")
        again = _asked(assistant, known.question, reader, model)
        bare_warm = model.bare(model.mark)
        second = _asked(assistant, SECOND.format(known.question), reader, model)
        if again is not None and second is not None:
            times.append(Times(bare, *first, bare_warm, again[0], second[0]))
    return times


def _asked(
    assistant: Assistant, question: str, reader: Principal, model: _Tapped
) -> tuple[float, float] | None:
    """Return milliseconds to the first piece and until the prompt was sent; then stop it.

    None where the question was refused.
    """
    seen: list[float] = []

    def progress(happened: Happened) -> None:
        if isinstance(happened, DraftDelta):
            seen.append(time.perf_counter())

    started = time.perf_counter()
    assistant.answer(
        question,
        reader,
        turn_id="",
        conversation_id="",
        quotes_only=False,
        progress=progress,
        stopped=lambda: bool(seen),
    )
    if not seen:
        return None
    return (seen[0] - started) * 1_000, (model.sent_at - started) * 1_000


def _marked(messages: Sequence[Message], mark: str) -> list[Message]:
    """Return a prompt of the same length whose beginning is its own."""
    system, *rest = messages
    return [Message(role="system", content=mark + system["content"][len(mark) :]), *rest]


def _show(times: Sequence[Times]) -> None:
    table = Table(title="Time to the first token, milliseconds")
    for column in ("", "p50", "p95", "smallest", "largest", "n"):
        table.add_column(column, justify="right" if column else "left")
    rows = {
        "cold: the model server alone": [one.bare for one in times],
        "cold: through Muniment": [one.whole for one in times],
        "cold: difference": [one.whole - one.bare for one in times],
        "cold: until the prompt is sent": [one.before for one in times],
        "warm: the model server alone": [one.bare_warm for one in times],
        "warm: through Muniment": [one.whole_warm for one in times],
        "warm: difference": [one.whole_warm - one.bare_warm for one in times],
        "a second question over the same passages": [one.second for one in times],
        "that in percent of the first": [100 * one.second / one.whole for one in times],
    }
    for name, values in rows.items():
        ordered = sorted(values)
        if ordered:
            high = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
            figures = (median(ordered), high, ordered[0], ordered[-1])
            table.add_row(name, *(f"{value:.0f}" for value in figures), str(len(ordered)))
    console.print(table)


if __name__ == "__main__":
    main()
