"""Who can sign in to a house on its first day, and after an upgrade from an earlier version."""

from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from muniment.samples import sample_passwords
from muniment.settings import Settings, load_settings
from muniment.stores import open_identity
from muniment.up import _prepare, _set_up_code
from rag import store

ADMINISTRATOR = "margaret"
EARLIER = "0003"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data=tmp_path)


def sign_in(settings: Settings, name: str) -> frozenset[str]:
    password = {row[0]: row[1] for row in sample_passwords(settings.data)}[name]
    with closing(open_identity(settings)) as identity:
        return identity.sign_in(name, password).principal.roles


def test_a_sample_administrator_reads_and_configures_without_a_code(settings: Settings) -> None:
    _prepare(settings, samples=True)

    assert sign_in(settings, ADMINISTRATOR) == {"reader", "administrator"}


def test_sample_people_of_an_earlier_start_are_let_off_too(settings: Settings) -> None:
    _prepare(settings, samples=True)
    with (
        closing(open_identity(settings)) as identity,
        identity.store.writing.begin() as connection,
    ):
        connection.exec_driver_sql("UPDATE accounts SET sample = 0")

    _prepare(settings, samples=True)

    assert "administrator" in sign_in(settings, ADMINISTRATOR)


def test_a_real_administrator_beside_the_samples_needs_a_code(settings: Settings) -> None:
    _prepare(settings, samples=True)

    with closing(open_identity(settings)) as identity:
        identity.add_account("ada", "correct horse battery", roles={"reader", "administrator"})
        roles = identity.sign_in("ada", "correct horse battery").principal.roles

    assert roles == {"reader"}


def test_a_set_up_code_is_offered_only_where_nobody_has_an_account(settings: Settings) -> None:
    _prepare(settings, samples=False)
    empty = _set_up_code(settings)
    _prepare(settings, samples=True)

    assert len(empty) == 24
    assert _set_up_code(settings) == ""


def test_whoever_had_an_account_before_reads_as_before(settings: Settings) -> None:
    """Accounts of an earlier version get the role that reading has become."""
    engine = create_engine(settings.service_database_url)
    config = Config()
    config.set_main_option("script_location", str(store._MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, EARLIER)
        for role in ("", "auditor", "administrator"):
            connection.exec_driver_sql(
                "INSERT INTO accounts (account_id, name, name_key, password_hash, created_at) "
                "VALUES (?, ?, ?, '', '2026-01-01 00:00:00')",
                (role, f"former {role}", f"former {role}"),
            )
            if role:
                connection.exec_driver_sql(
                    "INSERT INTO account_roles (account_id, name) VALUES (?, ?)", (role, role)
                )
    engine.dispose()

    with closing(open_identity(settings)) as identity:
        roles = {account.name: account.roles for account in identity.accounts()}

    assert roles == {
        "former ": {"reader"},
        "former auditor": {"reader", "auditor"},
        "former administrator": {"reader", "administrator"},
    }
