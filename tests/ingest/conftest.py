"""Makes the small files that the tests read."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before any test imports unstructured: it would tell its makers and fetch language data.
os.environ.update(DO_NOT_TRACK="1", UNSTRUCTURED_DISABLE_NOTICE="1", AUTO_DOWNLOAD_NLTK="False")

from ingest.jail import Jail
from ingest.settings import Limits
from tests.ingest import making


@pytest.fixture(scope="session")
def jail() -> Iterator[Jail]:
    with Jail() as jail:
        yield jail


@pytest.fixture
def limits() -> Limits:
    return Limits(parse_seconds=60, ocr="off")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return making.policy_pdf(tmp_path / "policy.pdf")
