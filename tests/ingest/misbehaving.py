"""Parsers that do what hostile documents make parsers do; each is told by the file's text."""

import os
import time
import urllib.request
from pathlib import Path

from corpus.documents import Block, BlockKind, ParsedDocument
from ingest.settings import Limits


def parse(location: Path, limits: Limits) -> ParsedDocument:
    order = location.read_text()
    if order == "hang":
        time.sleep(600)
    if order == "abort":
        os.abort()
    if order == "eat":
        bytearray(limits.parse_memory_bytes * 4)
    if order == "raise":
        raise KeyError("secret")
    if order == "connect":
        urllib.request.urlopen("http://127.0.0.1:9/")
    if order == "nothing":
        return ParsedDocument("", ())
    if order == "lie":
        return ParsedDocument("short", (Block(0, 900, BlockKind.PARAGRAPH),))
    if order == "environment":
        return _said(",".join(sorted(os.environ)))
    return _said(order)


def _said(text: str) -> ParsedDocument:
    return ParsedDocument(text, (Block(0, len(text), BlockKind.PARAGRAPH),))
