"""Run a program under limits and, where the kernel permits it, without a network.

Started as a script: `python -I -S confine.py BYTES SECONDS PROGRAM ARGUMENT…`. It is a program
of its own because limits set between fork and exec are unsafe in a process with threads.
"""

import ctypes
import os
import resource
import sys

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


def confine(memory: int, seconds: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 1024**2,  # its error output is a file
        resource.RLIMIT_NOFILE: 256,
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (lowest, lowest))


def leave_network() -> None:
    """Enter an empty network namespace; a refusal is no error, for there are other walls."""
    unshare = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)
    if unshare is not None:
        unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def main(arguments: list[str]) -> None:
    memory, seconds, program, *rest = arguments
    leave_network()
    confine(int(memory), int(seconds))
    os.execv(program, [program, *rest])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
