import base64
import hashlib
import re
from pathlib import Path

import streamlit

from ui.policy import content_security_policy, inline_script_hashes


def directives() -> dict[str, str]:
    parts = (part.split(" ", 1) for part in content_security_policy().split("; "))
    return {part[0]: part[1] for part in parts}


def test_the_hash_is_that_of_the_script_as_it_stands() -> None:
    expected = base64.b64encode(hashlib.sha256(b"let a = 1;\n").digest()).decode()

    assert inline_script_hashes("<p><script>let a = 1;\n</script>") == [f"'sha256-{expected}'"]


def test_every_inline_script_of_the_installed_page_is_allowed_by_its_hash() -> None:
    page = (Path(streamlit.__file__).parent / "static/index.html").read_text(encoding="utf-8")
    inline = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page)

    assert len(inline_script_hashes(page)) == len(inline) > 0
    for found in inline_script_hashes(page):
        assert found in directives()["script-src"]


def test_no_script_runs_by_being_inline_or_evaluated() -> None:
    assert "'unsafe-inline'" not in directives()["script-src"]
    assert "'unsafe-eval'" not in directives()["script-src"].split()


def test_nothing_may_be_fetched_from_elsewhere_nor_framed() -> None:
    found = directives()

    assert found["default-src"] == "'self'"
    assert found["connect-src"] == "'self'"
    assert found["frame-ancestors"] == "'none'"
    assert "http" not in content_security_policy()
