"""Codes of an authenticator app (RFC 6238), and those for the day it is lost."""

import hashlib
import hmac
import logging
import secrets
from datetime import datetime
from typing import Final, Literal

import pyotp
from sqlalchemy import Connection, delete, insert, select, update

from rag.errors import SecretUnreadable
from rag.sealing import Seal, is_sealed
from rag.store import recovery_codes, second_factors

log = logging.getLogger("rag.codes")

Method = Literal["totp", "recovery", ""]

STEP_SECONDS: Final = 30
STEPS_ASIDE: Final = 1
"""A clock may be one step early or late."""

RECOVERY_CODES: Final = 10


def new_secret() -> str:
    """Return the secret of a new authenticator, 160 bits in base32."""
    return pyotp.random_base32()


def address_of(secret: str, name: str) -> str:
    """Return the otpauth address that an authenticator app reads from a picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Muniment")


def has_factor(connection: Connection, account_id: str) -> bool:
    """Say whether an account asks for a code."""
    query = select(second_factors.c.confirmed_at).where(second_factors.c.account_id == account_id)
    return connection.execute(query).scalar() is not None


def take_code(
    connection: Connection,
    account_id: str,
    code: str,
    now: datetime,
    *,
    seal: Seal,
    confirmed: bool = True,
) -> Method:
    """Use up a code, and say what kind it was; nothing where it is wrong, old or used.

    Args:
        connection: In a transaction that writes.
        account_id: Whose code it is to be.
        code: As typed.
        now: The moment.
        seal: Opens the authenticator's secret; where it cannot, recovery codes still count.
        confirmed: Whether the authenticator must have been confirmed before.
    """
    typed = "".join(code.split()).replace("-", "")
    row = connection.execute(
        select(second_factors).where(second_factors.c.account_id == account_id)
    ).first()
    if row is None or not typed or (confirmed and row.confirmed_at is None):
        return ""
    try:
        step = _matching_step(seal.open(row.secret, of=account_id), typed, now)
    except SecretUnreadable as error:
        log.warning("second-factor.unreadable reason=%s", error)
        step = None
    if step is not None:
        # The condition holds in the database: of two requests with one code, one passes.
        used = connection.execute(
            update(second_factors)
            .where(second_factors.c.account_id == account_id, second_factors.c.last_step < step)
            .values(last_step=step)
        )
        return "totp" if used.rowcount == 1 else ""
    gone = connection.execute(
        delete(recovery_codes).where(
            recovery_codes.c.account_id == account_id,
            recovery_codes.c.code_hash == _hash(account_id, typed),
        )
    )
    return "recovery" if gone.rowcount == 1 else ""


def seal_old_secrets(connection: Connection, seal: Seal) -> None:
    """Close the secrets that were kept before there was a seal."""
    for row in connection.execute(select(second_factors)).all():
        if not is_sealed(row.secret):
            connection.execute(
                update(second_factors)
                .where(second_factors.c.account_id == row.account_id)
                .values(secret=seal.close(row.secret, of=row.account_id))
            )


def renew_recovery_codes(connection: Connection, account_id: str) -> list[str]:
    """Replace an account's recovery codes and return the new ones; they are kept as hashes."""
    codes = [secrets.token_hex(8) for _ in range(RECOVERY_CODES)]
    connection.execute(delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
    rows = [{"account_id": account_id, "code_hash": _hash(account_id, code)} for code in codes]
    connection.execute(insert(recovery_codes), rows)
    return ["-".join((code[:4], code[4:8], code[8:12], code[12:])) for code in codes]


def _matching_step(secret: str, typed: str, now: datetime) -> int | None:
    """Return which 30 seconds a code is of."""
    totp, at = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    fitting = None
    for step in range(at - STEPS_ASIDE, at + STEPS_ASIDE + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), typed.encode()):
            fitting = step
    return fitting


def _hash(account_id: str, code: str) -> str:
    return hashlib.sha256(f"{account_id}:{code.lower()}".encode()).hexdigest()
