"""A kernel that lacks something: `python -m tests.confinement.kernels CALL… -- PROGRAM ARGUMENT…`.

Runs a program for which each named system call fails as on a kernel without it.
"""

import os
import sys
from collections.abc import Sequence
from errno import ENOSYS

from agents.rendering import seccomp, syscalls
from agents.rendering.confinement import PR_SET_NO_NEW_PRIVS


def hide(names: Sequence[str]) -> None:
    """Make these calls unknown to this process and all that it starts."""
    syscalls.prctl(PR_SET_NO_NEW_PRIVS, 1)
    program = [(seccomp.LOAD_WORD, 0, 0, seccomp.NUMBER_AT)]
    for name in names:
        number = syscalls.number(name, syscalls.machine())
        assert number is not None
        program += [(seccomp.IF_EQUAL, 0, 1, number), (seccomp.RETURN, 0, 0, seccomp.ERRNO | ENOSYS)]
    seccomp.install([*program, (seccomp.RETURN, 0, 0, seccomp.ALLOW)])


if __name__ == "__main__":
    middle = sys.argv.index("--")
    hide(sys.argv[1:middle])
    os.execvp(sys.argv[middle + 1], sys.argv[middle + 1 :])
