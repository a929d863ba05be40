"""Parquet for analysis: one declared schema, whatever the entries hold."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import Final

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from audit.entries import Entry
from audit.formats.rows import NOT_EVIDENCE, About, row_of

ROWS_OF_A_GROUP: Final = 10_000

_TEXT: Final = pa.string()
SCHEMA: Final = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("leaf_hash", _TEXT, nullable=False),
        pa.field("id", _TEXT),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("type", _TEXT, nullable=False),
        pa.field("outcome", _TEXT),
        pa.field("person", _TEXT),
        pa.field("pseudonym", _TEXT),
        pa.field("matter", _TEXT),
        pa.field("request", _TEXT),
        pa.field("documents", pa.list_(_TEXT)),
        pa.field("model", _TEXT),
        pa.field("milliseconds", pa.float64()),
        pa.field("summary", _TEXT),
        pa.field("question", _TEXT),
        pa.field("answer", _TEXT),
        pa.field("reason", _TEXT),
        pa.field("envelope", _TEXT),
        pa.field("payload", _TEXT),
    ]
)


def write(entries: Iterable[Entry], about: About) -> Iterator[bytes]:
    """Yield the file; one group of rows is in memory at a time."""
    schema = SCHEMA.with_metadata({"muniment.origin": about.origin, "muniment.note": NOT_EVIDENCE})
    drain = Drain()
    rows = (asdict(row_of(entry)) for entry in entries)
    with ParquetWriter(drain, schema, compression="zstd") as writer:
        while group := list(islice(rows, ROWS_OF_A_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            yield drain.taken()
    yield drain.taken()


class Drain(io.RawIOBase):
    """A file that hands on what is written to it, and keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Take what comes next in the file."""
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._pieces.append(piece)
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        """Return how much has been written."""
        return self._at

    def taken(self) -> bytes:
        """Return what has come since the last time, and forget it."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
