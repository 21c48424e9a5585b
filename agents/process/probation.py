"""What a worker that the guard has stopped tells its successor, through a file in their folder.

A supervisor starts a stopped worker again. With the fault still there, each start would else give up as many
conversations as the guard needs to see, and drain the topics little by little.
"""

import logging
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

FILE: Final = "stopped-by-guard"
REMEMBERED_SECONDS: Final = 3600.0


def recall(folder: Path, now: float) -> str:
    """Return why the guard stopped the last worker of this folder, empty when it did not within an hour before `now`.

    The file goes with it: a worker that ends otherwise leaves none.
    """
    path = folder / FILE
    try:
        told, stopped_at = path.read_text(encoding="utf-8"), path.stat().st_mtime
        path.unlink()
    except FileNotFoundError:
        return ""
    except OSError as error:
        logger.warning("guard.nothing_recalled", extra={"error": str(error)})
        return ""
    return told if now - stopped_at < REMEMBERED_SECONDS else ""


def leave_word(folder: Path, told: str) -> None:
    """Tell the next worker of this folder why the guard has stopped this one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(told, encoding="utf-8")
    except OSError as error:  # then the next one learns it anew, at the price of a few dead letters
        logger.warning("guard.no_word_left", extra={"error": str(error)})
