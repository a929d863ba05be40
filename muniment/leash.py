"""Run a command that ends when its parent does.

Usage: ``python -m muniment.leash PARENT-PID COMMAND…``
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From Linux's prctl.h; the setting survives the exec below."""


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # The parent died before the tie was made, so no signal will come.
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the command comes from muniment.children


if __name__ == "__main__":
    main()
