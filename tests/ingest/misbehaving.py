"""Parsers that do what hostile documents make parsers do; each is told by the file's text."""

import os
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from corpus.documents import Block, BlockKind, ParsedDocument
from ingest import heartbeat
from ingest.jail_main import SCRATCH_BYTES
from ingest.settings import Limits


def parse(location: Path, limits: Limits) -> ParsedDocument:
    order, _, argument = location.read_text().partition(" to ")
    acts: dict[str, Callable[[], object]] = {
        "hang": lambda: time.sleep(600),
        "abort": os.abort,
        "eat": lambda: bytearray(limits.parse_memory_bytes * 4),
        "raise": raise_secret,
        "connect": lambda: urllib.request.urlopen("http://127.0.0.1:9/"),
        "write": lambda: Path(argument).write_text("out"),
        "scratch": lambda: Path("scratch").write_text("in"),
        "fill": fill_the_disk,
        "orphan": leave_an_orphan,
        "slow pages": turn_pages_slowly,
    }
    acts.get(order, lambda: None)()
    if order == "nothing":
        return ParsedDocument("", ())
    if order == "lie":
        return ParsedDocument("short", (Block(0, 900, BlockKind.PARAGRAPH),))
    return _said(",".join(sorted(os.environ)) if order == "environment" else order)


def raise_secret() -> None:
    raise KeyError("secret")


def fill_the_disk() -> None:
    with Path("scratch").open("wb") as file:
        file.seek(SCRATCH_BYTES)
        file.write(b"one byte too many")


def turn_pages_slowly() -> None:
    for _ in range(4):
        time.sleep(0.4)
        heartbeat.beat()


def leave_an_orphan() -> None:
    """Start a process that leaves the group and outlives its parent."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv("/bin/sleep", ["sleep", "7391"])  # noqa: S606
        os._exit(0)


def _said(text: str) -> ParsedDocument:
    return ParsedDocument(text, (Block(0, len(text), BlockKind.PARAGRAPH),))
