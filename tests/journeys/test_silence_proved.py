"""The main job under the tripwire: files, a cited answer, the page; and nothing leaves."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TRIPWIRE = REPOSITORY / "tests" / "attacks" / "tripwire.py"
SCENARIO = REPOSITORY / "tests" / "journeys" / "silent_scenario.py"
SAMPLES = REPOSITORY / "samples" / "documents"
ONE_OF_EACH_FORMAT = (
    "policies/anti-money-laundering-policy.pdf",
    "registers/office-lease-side-letter-2017-scan.pdf",
    "procedures/leaver-checklist.docx",
    "registers/supplier-register-2025.xlsx",
    "procedures/induction-first-week.pptx",
    "it/service-desk-faq.html",
    "it/2025-04-02-phishing-incident.eml",
    "it/laptop-build-notes.md",
    "procedures/fire-evacuation-bristol.txt",
)
QUESTION = "What score do I need to pass the money laundering training?"

pytestmark = pytest.mark.namespace


@pytest.fixture(scope="module", autouse=True)
def namespaces_are_allowed() -> None:
    available = subprocess.run(
        [sys.executable, TRIPWIRE, "--available"], capture_output=True, text=True, check=False
    )
    if available.returncode:
        pytest.skip(available.stdout.strip())


def play(documents: Path, folder: Path, *options: str) -> tuple[int, dict[str, object], str]:
    """Return the exit code, the verdict, and what the scenario printed."""
    scenario = [sys.executable, SCENARIO, documents, folder, "--question", QUESTION, *options]
    done = subprocess.run(
        [sys.executable, TRIPWIRE, "--seconds", "540", "--", *map(str, scenario)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.timeout(600)
def test_from_a_folder_to_a_cited_answer_on_the_page_nothing_leaves(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    for path in ONE_OF_EACH_FORMAT:
        shutil.copy(SAMPLES / path, documents)

    exit_code, verdict, output = play(documents, tmp_path)

    assert verdict["left"] == [], output
    assert exit_code == 0, output
    assert re.findall(r"egress\.refused host=(\S+)", output) == []


@pytest.mark.timeout(600)
def test_a_leak_planted_in_the_main_job_turns_it_red(tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    shutil.copy(SAMPLES / ONE_OF_EACH_FORMAT[0], documents)

    exit_code, verdict, output = play(documents, tmp_path, "--leak")

    assert exit_code == 3, output
    assert verdict["names_asked"] == ["planted.example"]
