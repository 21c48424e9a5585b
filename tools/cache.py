"""Where built and downloaded parts are kept: outside the checkout, shared by all checkouts of this user."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.command import say


def folder() -> Path:
    """Return the cache folder, which exists afterwards."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "attachment-preview-stream"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Let one set-up run at a time; a second one waits, then finds the work done."""
    with (folder() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is running: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(name: str, make: Callable[[Path], None]) -> Path:
    """Return the part of this name, made by `make(folder)` when it is not there; what was half made is never kept."""
    part = folder() / name
    if not part.exists():
        with tempfile.TemporaryDirectory(dir=folder(), prefix="making-") as scratch:
            made = Path(scratch) / "part"
            made.mkdir()
            make(made)
            shutil.move(made, part)
    return part
