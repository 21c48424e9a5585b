"""A private folder for tools that insist on files, and the sweep of what they leave behind."""

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

MAX_AGE_SECONDS: Final = 3600.0
SWEEP_INTERVAL_SECONDS: Final = 1800.0
PRIVATE: Final = 0o700


def create_scratch(folder: str = "") -> Path:
    """Make (or take over) a folder that only this user can enter; a fresh one under the system's when `folder` is "".

    Raises:
        PermissionError: What is there is a link, or belongs to somebody else.
    """
    if not folder:
        return Path(tempfile.mkdtemp(prefix="attachment-previews-"))
    path = Path(folder)
    path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"scratch folder {folder} is a link, or belongs to another user")
    path.chmod(PRIVATE)
    return path


def sweep(folder: Path, now: float, max_age_seconds: float = MAX_AGE_SECONDS) -> int:
    """Remove what was last touched over `max_age_seconds` before `now` (Unix seconds); return how many entries.

    Never leaves the folder: every step is relative to an open directory, and a link is removed, not followed. Blocks.
    """
    if not folder.is_dir():  # another cleaner took it
        return 0
    swept = 0
    for _, folders, files, directory in os.fwalk(folder, topdown=False, follow_symlinks=False):
        swept += sum(_remove(name, directory, now - max_age_seconds) for name in [*files, *folders])
    return swept


def _remove(name: str, directory: int, oldest: float) -> bool:
    try:
        found = os.lstat(name, dir_fd=directory)
        if max(found.st_mtime, found.st_ctime) >= oldest:  # a tool may copy an old mtime onto a new file
            return False
        if stat.S_ISDIR(found.st_mode):
            os.rmdir(name, dir_fd=directory)
        else:
            os.unlink(name, dir_fd=directory)
    except OSError:  # its owner removed it first, or the folder is not empty: the next sweep comes
        return False
    return True
