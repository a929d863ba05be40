"""What a catalog says when it cannot be used."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as some

from corpus import database, tables, words
from corpus.catalog import Catalog
from corpus.database import SCHEMA_TABLE, Database
from corpus.documents import SourceId, Word
from corpus.errors import CatalogUnavailable


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@pytest.fixture
def address(file: Path) -> str:
    return f"sqlite:///{file}"


def test_migrations_make_the_tables_the_code_knows(address: str) -> None:
    opened = Database(address)
    opened.migrate()

    with opened.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": SCHEMA_TABLE, "compare_type": True}
        )
        differences = compare_metadata(context, tables.metadata)

    assert differences == []
    opened.close()


def test_writes_are_durable_and_references_are_kept(address: str) -> None:
    with Database(address) as opened, opened.reading() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }

    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


def test_a_catalog_of_a_newer_release_is_not_touched(address: str, file: Path) -> None:
    Catalog.open(address).close()
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE {SCHEMA_TABLE} SET version_num = '9999'")  # noqa: S608
    connection.close()

    with pytest.raises(CatalogUnavailable, match="written by a newer Muniment"):
        Catalog.open(address)


def test_a_file_that_is_no_catalog_is_left_alone(address: str, file: Path) -> None:
    file.write_text("minutes of the board\n" * 100)

    with pytest.raises(CatalogUnavailable, match="is not a catalog"):
        Catalog.open(address)

    assert file.read_text().startswith("minutes")


def test_a_folder_in_place_of_the_file_is_reported(address: str, file: Path) -> None:
    file.mkdir()

    with pytest.raises(CatalogUnavailable, match="cannot be opened"):
        Catalog.open(address)


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(CatalogUnavailable, match="cannot be made"):
        Catalog.open(f"sqlite:///{tmp_path}/data/catalog.db")


@pytest.mark.parametrize("address", ["", "catalog.db", "nosuch://x/y"])
def test_an_address_that_is_none_is_reported(address: str) -> None:
    with pytest.raises(CatalogUnavailable, match="Write it as"):
        Catalog.open(address)


def test_a_full_disk_is_reported_and_leaves_nothing_half_written(address: str) -> None:
    catalog = Catalog.open(address)
    with catalog._database.reading() as connection:  # the limit stands in for the disk's end
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(CatalogUnavailable, match="no space is left"):
        catalog.add_source(name="x" * 500_000, location=Path("/x"), groups=frozenset({"staff"}))

    assert catalog.sources() == []
    catalog.close()


def test_a_catalog_kept_busy_by_another_is_reported(
    address: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    catalog = Catalog.open(address)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(CatalogUnavailable, match="kept busy by another process"):
        catalog.add_source(name="a", location=Path("/x"), groups=frozenset())

    assert catalog.sources() == []
    other.close()
    catalog.close()


def test_a_reference_to_nothing_is_refused(address: str) -> None:
    catalog = Catalog.open(address)

    with pytest.raises(CatalogUnavailable, match="cannot be used"):
        catalog.queue_run(SourceId("nobody"))

    catalog.close()


def test_a_change_that_fails_halfway_changes_nothing(address: str) -> None:
    opened = Database(address)
    opened.migrate()
    row = tables.access_list.insert().values(entries="[]")

    def fail_halfway() -> None:
        with opened.writing() as connection:
            connection.execute(row)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()

    with opened.reading() as connection:
        assert connection.scalar(sql.select(sql.func.count()).select_from(tables.access_list)) == 0
    opened.close()


@given(path=some.text(some.characters(codec=None), max_size=20))
def test_every_path_is_read_back_as_it_was(path: str) -> None:
    stored = tables.escape_path(path)

    assert tables.unescape_path(stored) == path
    assert stored.encode("utf-8").decode() == stored


numbers = some.integers(0, 2**32 - 1)
coordinates = some.floats(-(2.0**20), 2.0**20, width=32)


@given(
    some.lists(
        some.builds(
            Word,
            numbers,
            numbers,
            some.just(3),
            coordinates,
            coordinates,
            coordinates,
            coordinates,
        )
    )
)
def test_words_are_unpacked_as_they_were_packed(page: list[Word]) -> None:
    assert words.unpack(words.pack(page), page=3) == page
