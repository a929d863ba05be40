"""What people write and are called stands in no envelope, no log and no figure."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from audit.log import AuditLog
from tests.conftest import Stack

CANARY = "quillfeather"
"""Part of everything that is planted: names, questions, words of documents, addresses."""

NAME, PASSWORD = f"{CANARY}.user", f"a password with a {CANARY}"
SENTENCE = f"The {CANARY} allowance is forty pounds a day."
QUESTION = f"How much is the {CANARY} allowance a day?"


@dataclass(frozen=True)
class Planted:
    """A running Muniment through which the canary has gone by every way there is."""

    stack: Stack
    answer: str


@pytest.fixture(scope="module")
def planted(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    documents = tmp_path_factory.mktemp(f"{CANARY}-share")
    (documents / f"{CANARY}-allowances.txt").write_text(f"{SENTENCE}\n" * 3)
    (documents / f"{CANARY}-broken.pdf").write_bytes(b"%PDF-1.7\n" + CANARY.encode())
    group = f"{CANARY}-group"
    for words in (
        ("user", "add", NAME, "--groups", group, "--password", PASSWORD),
        ("ingest", str(documents), "--groups", group),
    ):
        done = stack.muniment(*words)
        assert done.returncode in {0, 1}, done.stderr  # 1: a file was quarantined
    answer = stack.muniment("ask", QUESTION, "--as", NAME).stdout
    headers = {"User-Agent": f"{CANARY}/1.0", "X-Forwarded-For": f"{CANARY}.example"}
    with httpx.Client(base_url=stack.service_url, headers=headers, trust_env=False) as client:
        _use(client)
    with httpx.Client(base_url=stack.page_url, headers=headers, trust_env=False) as page:
        page.post("/sign-in", data={"name": NAME, "password": f"{CANARY} wrong"})
        page.get(f"/page/{CANARY}/0.png")
    return Planted(stack, answer)


def _use(client: httpx.Client) -> None:
    """Do everything a person can, right and wrong."""
    client.post("/v1/session", json={"name": f"{CANARY}.nobody", "password": f"{CANARY} wrong"})
    client.post("/v1/session", json={CANARY: CANARY})
    session = client.post("/v1/session", json={"name": NAME, "password": PASSWORD}).json()
    client.headers["Authorization"] = f"Bearer {session['token']}"
    (document,) = client.get("/v1/documents", params={"query": CANARY}).json()["documents"]
    version = document["version_id"]
    asked = client.post("/v1/search", json={"question": QUESTION})
    assert CANARY in asked.text
    client.get(f"/v1/versions/{version}/passage", params={"start": 0, "end": 20})
    client.get(f"/v1/versions/{version}/original")
    for path in (f"/v1/documents/{CANARY}", f"/v1/turns/{CANARY}", f"/{CANARY}", "/v1/audit/state"):
        assert client.get(path).is_error
    client.post("/v1/ask", json={"question": CANARY, "conversation_id": CANARY})
    client.post("/v1/ask", content=f'{{"question": "{CANARY}'.encode())
    client.delete("/v1/session")


def test_the_canary_was_planted(planted: Planted) -> None:
    assert "forty pounds" in planted.answer
    with closing(AuditLog.open(planted.stack.data / "audit")) as record:
        texts = str([entry.payload for entry in record.entries(limit=100_000)])
    for word in (NAME, QUESTION, f"{CANARY}-allowances.txt", f"{CANARY}-broken.pdf", SENTENCE):
        assert word in texts


def test_no_envelope_holds_it(planted: Planted) -> None:
    with closing(AuditLog.open(planted.stack.data / "audit")) as record:
        lines = b"\n".join(record.lines()).lower()

    assert CANARY.encode() not in lines
    assert b"127.0.0.1" not in lines


def test_no_file_of_the_record_holds_it(planted: Planted) -> None:
    folder = planted.stack.data / "audit"

    assert holding([path for path in folder.rglob("*") if path.is_file()]) == []


def test_no_log_holds_it(planted: Planted) -> None:
    logs = [path for path in (planted.stack.data / "logs").rglob("*") if path.is_file()]

    assert logs
    assert sum(path.stat().st_size for path in logs) > 0
    assert holding([*logs, planted.stack.log]) == []


@pytest.mark.parametrize("path", ["/ready", "/health", "/metrics", "/_stcore/metrics"])
def test_no_figure_holds_it(planted: Planted, path: str) -> None:
    for address in (planted.stack.service_url, planted.stack.page_url):
        reply = httpx.get(f"{address}{path}", trust_env=False)
        assert CANARY not in reply.text.lower()


def holding(files: list[Path]) -> list[str]:
    return [path.name for path in files if CANARY.encode() in path.read_bytes().lower()]
