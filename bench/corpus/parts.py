"""What the benchmarks keep between runs, beside the set-up's parts and without keeping a set-up waiting."""

import fcntl
from collections.abc import Callable
from pathlib import Path

from tools import cache


def keep(name: str, make: Callable[[Path], None]) -> Path:
    """Return the part of this name, made when it is not there; a second benchmark waits for the first one's."""
    with (cache.folder() / "bench-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return cache.keep(f"bench-{name}", make)
