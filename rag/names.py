"""Names that accounts have: which can be one, and which two are the same."""

import unicodedata
from typing import Final

from rag.errors import RagError

MAXIMUM_NAME_CHARACTERS: Final = 64


def comparable(name: str) -> str:
    """Return a name in the form in which names are compared."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def checked_name(name: str) -> str:
    """Return a name as an account can have it.

    Raises:
        RagError: No account can have it.
    """
    name = unicodedata.normalize("NFKC", name).strip()
    if not 1 <= len(name) <= MAXIMUM_NAME_CHARACTERS or not all(
        character.isalnum() or character in "._-@" for character in name
    ):
        raise RagError(
            f"An account's name has 1 to {MAXIMUM_NAME_CHARACTERS} characters: letters, digits "
            "or any of . _ - @"
        )
    return name
