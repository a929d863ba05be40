import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from muniment.children import Child, end_all, last_lines

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def make_child(code: str, folder: Path) -> Child:
    return Child("probe", [sys.executable, "-c", code], dict(os.environ), folder / "probe.log")


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.05)


def test_a_program_that_ignores_the_wish_to_end_is_killed_with_what_it_started(
    tmp_path: Path,
) -> None:
    child = make_child(STUBBORN, tmp_path)
    child.start()
    wait_for(lambda: last_lines(child.log) != "")
    grandchild = int(last_lines(child.log))

    end_all([child], grace_seconds=0.2)

    assert not child.alive()
    wait_for(lambda: gone(grandchild))


def test_a_program_that_ends_in_order_is_left_to_do_so(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('tidy', flush=True), sys.exit(0)))\n"
        "print('up', flush=True)\n"
        "time.sleep(600)"
    )
    child = make_child(code, tmp_path)
    child.start()
    wait_for(lambda: "up" in last_lines(child.log))

    end_all([child])

    assert last_lines(child.log) == "up\ntidy"


def test_a_program_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "probe.log"
    parent = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from muniment.children import Child\n"
        "code = 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'\n"
        "command = [sys.executable, '-c', code]\n"
        f"child = Child('probe', command, dict(os.environ), Path({str(log)!r}))\n"
        "child.start()\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        wait_for(lambda: last_lines(log) != "")
        orphan = int(last_lines(log))

        process.send_signal(signal.SIGKILL)
        process.wait()

    wait_for(lambda: gone(orphan))


def test_a_program_told_to_stand_back_does_so_with_its_session(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from pathlib import Path\n"
        "group = Path('/proc/self/autogroup')\n"
        "told = group.read_text().split()[-1] if group.exists() else '7'\n"
        "print(os.nice(0), told)\n"
    )
    usual = os.nice(0)
    child = dataclasses.replace(make_child(code, tmp_path), niceness=7)

    child.start()
    wait_for(lambda: not child.alive())

    assert last_lines(child.log) == f"{min(usual + 7, 19)} 7"
