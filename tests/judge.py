"""The judges, converted once for all tests that need one."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from rag.judging import Judge
from rag.larger_judge import load as larger_judge_of


@cache
def judge() -> Judge:
    """Return the shipped judge."""
    return Judge.load(cache_folder=_folder(), threads=1)


@cache
def larger_judge(base: Path) -> Judge:
    """Return the larger judge, made of the packaged model in a folder."""
    return larger_judge_of(base, cache_folder=_folder(), threads=1)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="muniment-judge-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
