"""The judge, converted once for all tests that need one."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from rag.judging import Judge


@cache
def judge() -> Judge:
    """Return the shipped judge."""
    folder = Path(tempfile.mkdtemp(prefix="muniment-judge-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Judge.load(cache_folder=folder, threads=1)
