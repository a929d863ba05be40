"""The sample documents and the people who may read them, made at the first start."""

import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path

from audit.events import SourceChanged, UserChanged
from audit.log import AuditLog
from corpus.catalog import Catalog
from corpus.records import AccessRule, Source
from muniment.errors import InputMissing
from muniment.settings import CHECKOUT
from rag.identity import Identity

DECLARATION = CHECKOUT / "samples" / "source.toml"
ACCOUNTS_FILE = "sample-accounts.txt"
ACTOR = "muniment up"


@dataclass(frozen=True, slots=True)
class SampleAccount:
    """An invented person."""

    name: str
    description: str
    groups: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Samples:
    """What samples/source.toml declares."""

    name: str
    folder: Path
    groups: frozenset[str]
    rules: tuple[AccessRule, ...]
    accounts: tuple[SampleAccount, ...]


def read_samples(declaration: Path = DECLARATION) -> Samples:
    """Read the declaration of the samples.

    Raises:
        InputMissing: There is none, because this is not a checkout.
    """
    try:
        text = declaration.read_text(encoding="utf-8")
    except OSError as error:
        raise InputMissing(
            f"The samples are not where they should be ({declaration}). Start with --no-samples."
        ) from error
    declared = tomllib.loads(text)
    return Samples(
        name=declared["name"],
        folder=declaration.parent / declared["location"],
        groups=frozenset(declared["groups"]),
        rules=tuple(
            AccessRule(glob=rule["glob"], groups=frozenset(rule["groups"]))
            for rule in declared.get("rules", [])
        ),
        accounts=tuple(
            SampleAccount(
                name=account["name"],
                description=account.get("description", ""),
                groups=tuple(account["groups"]),
                roles=tuple(account["roles"]),
            )
            for account in declared["accounts"]
        ),
    )


def add_sample_source(samples: Samples, catalog: Catalog, record: AuditLog) -> Source:
    """Declare the samples as a source; once it is there, only what differs is changed."""
    known = {source.name: source for source in catalog.sources()}.get(samples.name)
    if known and (known.location, known.groups, known.rules) == (
        samples.folder,
        samples.groups,
        samples.rules,
    ):
        return known
    record.append(SourceChanged(actor=ACTOR, source=samples.name, change="samples declared"))
    return catalog.add_source(
        name=samples.name, location=samples.folder, groups=samples.groups, rules=samples.rules
    )


def add_sample_accounts(samples: Samples, identity: Identity, record: AuditLog, data: Path) -> None:
    """Make the invented people with random passwords, unless there are accounts already.

    The passwords go to a file that only its owner can read, before the accounts exist: a crash
    in between leaves no account whose password nobody knows.
    """
    if identity.accounts():
        identity.excuse_samples(_made_earlier(samples, data))
        return
    passwords = {account.name: secrets.token_urlsafe(9) for account in samples.accounts}
    _write_private(data / ACCOUNTS_FILE, _accounts_text(samples, passwords))
    for account in samples.accounts:
        record.append(UserChanged(actor=ACTOR, name=account.name, change="sample account added"))
        identity.add_account(account.name, passwords[account.name], account.groups, account.roles)
    identity.excuse_samples(list(passwords))


def _made_earlier(samples: Samples, data: Path) -> set[str]:
    """Names of sample accounts that an earlier start made here, by the file it left."""
    return {name for name, _, _ in sample_passwords(data)} & {one.name for one in samples.accounts}


def sample_passwords(data: Path) -> list[tuple[str, str, str]]:
    """Name, password and description of every sample account; empty when there are none."""
    try:
        lines = (data / ACCOUNTS_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [(row[0], row[1], row[2]) for row in rows if len(row) == 3]


def _accounts_text(samples: Samples, passwords: dict[str, str]) -> str:
    lines = ["# Sample accounts: name, password, who it is. Remove this file when read."]
    lines += [
        f"{account.name}\t{passwords[account.name]}\t{account.description}"
        for account in samples.accounts
    ]
    return "\n".join(lines) + "\n"


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
