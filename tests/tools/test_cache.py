import multiprocessing
from pathlib import Path

import pytest

from tools import cache


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "attachment-preview-stream"


def write(folder: Path) -> None:
    (folder / "file").write_text("made")


def break_off(folder: Path) -> None:
    (folder / "half").touch()
    raise RuntimeError("power cut")


def refuse(_: Path) -> None:
    pytest.fail("made twice")


def take_lock(taken: "multiprocessing.synchronize.Event") -> None:
    with cache.locked():
        taken.set()


def test_a_part_is_made_once(cache_folder: Path) -> None:
    assert cache.keep("part", write) == cache_folder / "part"
    assert (cache.keep("part", refuse) / "file").read_text() == "made"


def test_what_was_half_made_is_not_kept(cache_folder: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        cache.keep("part", break_off)
    assert list(cache_folder.iterdir()) == []
    assert (cache.keep("part", write) / "file").exists()


def test_a_second_set_up_waits_for_the_first() -> None:
    context = multiprocessing.get_context("spawn")
    taken = context.Event()
    second = context.Process(target=take_lock, args=(taken,))
    with cache.locked():
        second.start()
        assert not taken.wait(0.5)
    assert taken.wait(20)
    second.join(20)
    assert second.exitcode == 0
