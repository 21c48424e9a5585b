import os
import stat
import time
from pathlib import Path

import pytest

from agents.scratch import MAX_AGE_SECONDS, create_scratch, sweep


def later(seconds: float) -> float:
    return time.time() + seconds


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return create_scratch(str(tmp_path / "scratch"))


def test_only_this_user_can_enter_the_folder(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o777)
    for folder in (create_scratch(), create_scratch(str(tmp_path / "new")), create_scratch(str(tmp_path / "open"))):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_is_a_link_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="is a link"):
        create_scratch(str(tmp_path / "link"))


def test_files_older_than_an_hour_go_and_younger_ones_stay(scratch: Path) -> None:
    (scratch / "page.ppm").write_bytes(b"x")
    assert sweep(scratch, later(MAX_AGE_SECONDS - 10)) == 0
    assert (scratch / "page.ppm").exists()
    assert sweep(scratch, later(MAX_AGE_SECONDS + 10)) == 1
    assert not (scratch / "page.ppm").exists()


def test_a_new_file_with_an_old_date_stays(scratch: Path) -> None:
    (scratch / "copied").write_bytes(b"x")
    os.utime(scratch / "copied", (0, 0))
    assert sweep(scratch, later(0)) == 0


def test_old_folders_go_with_what_is_in_them_and_the_scratch_folder_stays(scratch: Path) -> None:
    (scratch / "a" / "b").mkdir(parents=True)
    (scratch / "a" / "b" / "old").write_bytes(b"x")
    assert sweep(scratch, later(MAX_AGE_SECONDS + 10)) == 3
    assert list(scratch.iterdir()) == []
    assert scratch.exists()


def test_the_sweep_never_follows_a_link_out_of_the_folder(scratch: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_bytes(b"x")
    (scratch / "to-folder").symlink_to(tmp_path / "precious")
    (scratch / "to-file").symlink_to(tmp_path / "precious" / "file")
    assert sweep(scratch, later(MAX_AGE_SECONDS + 10)) == 2
    assert (tmp_path / "precious" / "file").exists()
    assert list(scratch.iterdir()) == []


def test_a_folder_that_is_gone_is_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep(tmp_path / "never", later(0)) == 0
