import os
import time
from pathlib import Path

from agents.process.probation import FILE, REMEMBERED_SECONDS, leave_word, recall


def test_a_stopped_worker_leaves_word_for_its_next_start_alone(tmp_path: Path) -> None:
    folder = tmp_path / "not made yet"
    assert recall(folder, time.time()) == ""
    leave_word(folder, "genesys_refused 4")
    assert recall(folder, time.time()) == "genesys_refused 4"
    assert recall(folder, time.time()) == ""


def test_a_stop_of_long_ago_is_not_recalled(tmp_path: Path) -> None:
    leave_word(tmp_path, "internal 20")
    os.utime(tmp_path / FILE, (0.0, 0.0))
    assert recall(tmp_path, REMEMBERED_SECONDS) == ""


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    leave_word(tmp_path / "file", "internal 20")
    assert recall(tmp_path / "file", 0.0) == ""
