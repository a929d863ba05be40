"""PDFium's functions for calls by the thousand, with addresses as plain numbers."""

import ctypes
from collections.abc import Callable
from typing import Any


def direct(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Return a function of PDFium for use with ``map``.

    The usual binding checks and wraps every pointer, and lets other threads run during the
    call; a parser has no other threads.
    """
    return ctypes.PYFUNCTYPE(result, *arguments)(address_of(function))


def address_of(pointer: Any) -> int:
    """Return the address that a typed pointer holds; 0 for none."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0
