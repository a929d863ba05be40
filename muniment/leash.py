"""Run a command that ends when its parent does.

Usage: ``python -m muniment.leash PARENT-PID NICENESS COMMAND…``
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

OWN_GROUP = Path("/proc/self/autogroup")
"""Where the kernel shares the processor out by session, the niceness of this session."""

PR_SET_PDEATHSIG = 1
"""From Linux's prctl.h; the setting survives the exec below."""


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, niceness, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # The parent died before the tie was made, so no signal will come.
        sys.exit(1)
    if niceness:
        os.nice(niceness)
        with contextlib.suppress(OSError):
            OWN_GROUP.write_text(str(niceness))
    os.execv(command[0], command)  # noqa: S606 - the command comes from muniment.children


if __name__ == "__main__":
    main()
