"""`die_with_parent.py PARENT SLACK COMMAND...`: become COMMAND, killed by the kernel when the process PARENT ends.

SLACK: nanoseconds by which the kernel may prolong its sleeps; 0: as usual.

A program of its own, since code between fork and exec is unsafe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_TIMERSLACK = 29


def main() -> None:
    """Ask for the signal, make sure the parent was still there to send it, become the command."""
    parent, slack, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        control = ctypes.CDLL(None).prctl
        control(PR_SET_PDEATHSIG, signal.SIGKILL)
        if slack:
            control(PR_SET_TIMERSLACK, slack)
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
