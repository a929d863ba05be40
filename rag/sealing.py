"""Secrets that the service must read again, closed to whoever has the database alone.

The key lies in a file of its own and never in the database, so that a copy of the one is worth
nothing without the other.
"""

import base64
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rag.errors import SecretUnreadable

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
MARK: Final = "v1:"
"""What is sealed begins with it; nothing else that is kept in its place can."""


class Seal:
    """Closes secrets and opens them again.

    Args:
        key: 32 bytes; None where there should be a key and is none, and nothing can be opened.
    """

    def __init__(self, key: bytes | None) -> None:
        self._cipher = AESGCM(key) if key else None

    @property
    def usable(self) -> bool:
        """Whether there is a key."""
        return self._cipher is not None

    def close(self, secret: str, *, of: str) -> str:
        """Return a secret sealed, to be opened only as that of the same account or session.

        Raises:
            SecretUnreadable: There is no key.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._with_key().encrypt(nonce, secret.encode(), of.encode())
        return MARK + base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, *, of: str) -> str:
        """Return what was sealed.

        Raises:
            SecretUnreadable: There is no key, it is another one, or this was altered or is
                somebody else's.
        """
        cipher = self._with_key()
        try:
            raw = base64.b64decode(sealed.removeprefix(MARK), validate=True)
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], of.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise SecretUnreadable(
                "A secret in the database was sealed with another key, or was altered."
            ) from error

    def _with_key(self) -> AESGCM:
        if self._cipher is None:
            raise SecretUnreadable("The key that secrets in the database are sealed with is gone.")
        return self._cipher


def is_sealed(kept: str) -> bool:
    """Say whether something kept is sealed, and not from before there was a seal."""
    return kept.startswith(MARK)


def key_in(path: Path, *, make: bool) -> bytes | None:
    """Return the key in a file; None where there is none and none is to be made.

    Args:
        path: Where it lies, or shall lie, for its owner alone.
        make: Whether one is made where there is none.

    Raises:
        SecretUnreadable: The file cannot be read or made, or holds no key.
    """
    try:
        if make and not path.exists():
            _make(path)
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SecretUnreadable(f"{path} cannot be read or made: {error.strerror}.") from error
    if len(key) != KEY_BYTES:
        raise SecretUnreadable(
            f"{path} is damaged: it must hold {KEY_BYTES} bytes. Bring it back from the last "
            "backup."
        )
    return key


def _make(path: Path) -> None:
    """Make a key, whole or not at all; of two programs that do at once, the first one's stays."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(partial)
    except FileExistsError:
        pass
    finally:
        partial.unlink(missing_ok=True)
