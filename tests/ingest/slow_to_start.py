"""A parser that takes long to load and is quick then."""

import time

from tests.ingest.misbehaving import parse

__all__ = ["parse"]

LOADING_SECONDS = 6

time.sleep(LOADING_SECONDS)
