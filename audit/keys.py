"""The keys that payloads are encrypted under, and what wraps them.

Every subject has a data key a month. Destroying the wrapped key (and with it the salt, which
stands inside what it encrypts) makes the payload unreadable, and its commitment unguessable,
while the envelope stays.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.errors import AuditUnavailable, RecordDamaged
from audit.files import write_durably

KEY_BYTES = 32
NONCE_BYTES = 12
SALT_BYTES = 32
HOUSE = "house"
"""Subject of payloads that are about nobody, such as where a document stands."""

Randomness = Callable[[int], bytes]


class PayloadKeys:
    """Makes, wraps and uses data keys.

    Args:
        wrapping: The key-encryption key, 32 bytes.
        randomness: Gives that many random bytes.
    """

    def __init__(self, wrapping: bytes, randomness: Randomness) -> None:
        self._wrapping = AESGCM(wrapping)
        self._randomness = randomness
        self._unwrap = lru_cache(maxsize=4096)(self._unwrapped)

    def make(self, key_id: str) -> bytes:
        """Return a new data key, wrapped."""
        nonce = self._randomness(NONCE_BYTES)
        return nonce + self._wrapping.encrypt(
            nonce, self._randomness(KEY_BYTES), _bound("key", key_id)
        )

    def seal(
        self, *, sequence: int, key_id: str, wrapped: bytes, salt: bytes, body: bytes
    ) -> tuple[bytes, bytes]:
        """Return nonce and ciphertext of a payload, bound to its place and key."""
        nonce = self._randomness(NONCE_BYTES)
        key = self._unwrap(key_id, wrapped)
        return nonce, key.encrypt(nonce, salt + body, _bound(str(sequence), key_id))

    def open(
        self, *, sequence: int, key_id: str, wrapped: bytes, nonce: bytes, ciphertext: bytes
    ) -> tuple[bytes, bytes]:
        """Return salt and body of a payload.

        Raises:
            RecordDamaged: It was altered, belongs elsewhere, or the wrapping key is another.
        """
        try:
            key = self._unwrap(key_id, wrapped)
            opened = key.decrypt(nonce, ciphertext, _bound(str(sequence), key_id))
        except (InvalidTag, ValueError) as error:
            raise RecordDamaged(
                f"The payload of entry {sequence} cannot be opened: it was altered, or the key "
                "file is not the one it was written with. Run `muniment audit verify`."
            ) from error
        return opened[:SALT_BYTES], opened[SALT_BYTES:]

    def _unwrapped(self, key_id: str, wrapped: bytes) -> AESGCM:
        nonce, ciphertext = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        return AESGCM(self._wrapping.decrypt(nonce, ciphertext, _bound("key", key_id)))


def read_secret(path: Path, *, length: int = KEY_BYTES) -> bytes:
    """Return the bytes of a secret file.

    Raises:
        AuditUnavailable: It cannot be read, or is not of that length.
    """
    try:
        secret = path.read_bytes()
    except OSError as error:
        raise AuditUnavailable(f"{path} cannot be read: {error.strerror}.") from error
    if len(secret) != length:
        raise AuditUnavailable(
            f"{path} is damaged: it must hold {length} bytes. Bring it back from the last backup."
        )
    return secret


def read_or_make_secret(path: Path, randomness: Randomness) -> bytes:
    """Return the 32 bytes of a secret file, making one where there is none.

    Raises:
        AuditUnavailable: It cannot be read or made, or is damaged.
    """
    if not path.exists():
        try:
            write_durably(path, randomness(KEY_BYTES))
        except OSError as error:
            raise AuditUnavailable(f"{path} cannot be made: {error.strerror}.") from error
    return read_secret(path)


def _bound(*parts: str) -> bytes:
    return "|".join(parts).encode()
