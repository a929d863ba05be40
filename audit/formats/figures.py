"""What the report counts: gathered in one pass, in memory that does not grow with the record."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate
from typing import Final

from audit.entries import Entry
from audit.formats.rows import Row, documents_of, row_of, word

LATEST_SHOWN: Final = 12
MOST_DOCUMENTS: Final = 50_000
MOST_PEOPLE: Final = 50_000
LONGEST_IN_DAYS: Final = 62
LONGEST_IN_WEEKS: Final = 370

ANSWERED, REFUSED, DENIED, ASKED = "rag.answer", "rag.refuse", "access.denied", "rag.ask"


@dataclass(slots=True)
class Figures:
    """Counts over the entries of an export.

    Attributes:
        entries: How many there were.
        first: Day of the earliest; None where there was none.
        last: Day of the latest.
        types: Entries by type.
        days: By type of interest, entries by day.
        documents: How often each document was cited in an answer.
        paths: Where documents stand, by id, as far as the entries say so.
        people: Pseudonyms of who acted.
        turned_down: The latest refusals and denials.
        checks: How often the record was checked, by result.
    """

    entries: int = 0
    first: date | None = None
    last: date | None = None
    types: Counter[str] = field(default_factory=Counter)
    days: dict[str, Counter[date]] = field(
        default_factory=lambda: {kind: Counter() for kind in (ASKED, ANSWERED, REFUSED, DENIED)}
    )
    documents: Counter[str] = field(default_factory=Counter)
    paths: dict[str, str] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    turned_down: deque[Row] = field(default_factory=lambda: deque(maxlen=LATEST_SHOWN))
    checks: Counter[bool] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        """Count one entry."""
        day = entry.at.date()
        self.entries += 1
        self.first = min(self.first or day, day)
        self.last = max(self.last or day, day)
        self.types[entry.type] += 1
        if entry.type in self.days:
            self.days[entry.type][day] += 1
        self._count_person(entry)
        self._count_documents(entry)
        if entry.type in (REFUSED, DENIED):
            self.turned_down.append(row_of(entry))
        elif entry.type == "audit.verify":
            self.checks[entry.envelope.get("intact") is True] += 1

    def _count_person(self, entry: Entry) -> None:
        actor = entry.envelope.get("actor")
        pid = word(actor, "pid") if isinstance(actor, dict) else ""
        if pid and len(self.people) < MOST_PEOPLE:
            self.people.add(pid)

    def _count_documents(self, entry: Entry) -> None:
        if entry.type == ANSWERED:
            for document in documents_of({"citations": entry.envelope.get("citations")}):
                if document in self.documents or len(self.documents) < MOST_DOCUMENTS:
                    self.documents[document] += 1
        elif entry.type.startswith("doc.") and entry.payload and "path" in entry.payload:
            document = word(entry.envelope, "document_id")
            if document and len(self.paths) < MOST_DOCUMENTS:
                self.paths[document] = word(entry.payload, "path")

    def most_relied_on(self, limit: int) -> list[tuple[str, int]]:
        """Return the documents that answers cite most, by path where it is known, else by id."""
        return [
            (self.paths.get(document, document), count)
            for document, count in self.documents.most_common(limit)
        ]


def figures_of(entries: Iterable[Entry]) -> Figures:
    """Return the counts over entries."""
    figures = Figures()
    for entry in entries:
        figures.add(entry)
    return figures


@dataclass(frozen=True, slots=True)
class Calendar:
    """The columns of a plot over time: days, or weeks or months where there would be too many.

    Attributes:
        unit: "day", "week" or "month".
        starts: First day of each column.
    """

    unit: str
    starts: tuple[date, ...]

    @classmethod
    def covering(cls, first: date, last: date) -> "Calendar":
        """Return the columns from one day to another, both included."""
        days = (last - first).days + 1
        if days <= LONGEST_IN_DAYS:
            return cls("day", tuple(first + timedelta(days=place) for place in range(days)))
        if days <= LONGEST_IN_WEEKS:
            monday = first - timedelta(days=first.weekday())
            weeks = (last - monday).days // 7 + 1
            return cls("week", tuple(monday + timedelta(weeks=place) for place in range(weeks)))
        months = (last.year - first.year) * 12 + last.month - first.month + 1
        return cls(
            "month",
            tuple(accumulate(range(1, months), _next_month, initial=first.replace(day=1))),
        )

    def totals(self, days: Mapping[date, int]) -> list[int]:
        """Return the sum of each column."""
        sums: Counter[date] = Counter()
        for day, count in days.items():
            sums[self._start_of(day)] += count
        return [sums[start] for start in self.starts]

    def _start_of(self, day: date) -> date:
        if self.unit == "week":
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self.unit == "month" else day


def _next_month(start: date, _: int) -> date:
    return (start + timedelta(days=31)).replace(day=1)
