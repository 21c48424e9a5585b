"""`python -m tests.harness.shifted_clock SECONDS MODULE …`: a module in a process whose clock is ahead, or behind.

The process's `time.time` is replaced before anything of the module is imported. What else tells time stays right, above
all the monotonic clock, sleeps, and `datetime`, by which requests to S3 are signed.
"""

import runpy
import sys
import time
from collections.abc import Callable


def shifted(clock: Callable[[], float], seconds: float) -> Callable[[], float]:
    """Return a clock that is so many seconds ahead of another."""
    return lambda: clock() + seconds


def main() -> None:
    seconds, module, *arguments = sys.argv[1:]
    time.time = shifted(time.time, float(seconds))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
