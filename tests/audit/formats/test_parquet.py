import io

from pyarrow.parquet import ParquetFile, read_table

from audit.formats import parquet
from audit.formats.rows import NOT_EVIDENCE
from tests.audit.examples import ABOUT, WORDS, every_entry


def test_parquet_has_the_declared_schema_whatever_it_holds() -> None:
    for entries in (every_entry(), []):
        table = read_table(io.BytesIO(b"".join(parquet.write(entries, ABOUT))))

        assert table.schema.equals(parquet.SCHEMA)
        assert table.num_rows == len(entries)


def test_a_row_of_parquet_names_its_entry() -> None:
    entries = every_entry()

    rows = read_table(io.BytesIO(b"".join(parquet.write(entries, ABOUT)))).to_pylist()

    assert [row["seq"] for row in rows] == [entry.sequence for entry in entries]
    assert [row["leaf_hash"] for row in rows] == [entry.leaf_hash for entry in entries]
    assert [row["at"] for row in rows] == [entry.at for entry in entries]
    assert rows[3]["question"] == WORDS


def test_parquet_comes_in_groups_of_rows() -> None:
    entries = every_entry() * 500
    pieces = list(parquet.write(entries, ABOUT))

    file = ParquetFile(io.BytesIO(b"".join(pieces)))

    assert file.num_row_groups == len(pieces) - 1 == -(-len(entries) // parquet.ROWS_OF_A_GROUP)


def test_parquet_says_that_it_is_no_evidence() -> None:
    file = ParquetFile(io.BytesIO(b"".join(parquet.write([], ABOUT))))

    assert file.schema_arrow.metadata[b"muniment.note"] == NOT_EVIDENCE.encode()
