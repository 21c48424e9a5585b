"""The files that are made here: none breaks the parent, outlives its deadline, or takes more memory than it may."""

from pathlib import Path

import pytest

from tests.hostile.nasties import BUILT, nasties
from tests.hostile.runs import Tally, rendered

SLOW = {"thousand-scans.jpg"}  # waits for its deadline of 20 seconds
MOST_RESIDENT_BYTES = 1_000_000_000
MOST_REFUSED_PROGRAM_BYTES = 256_000_000


async def ran(folder: Path, files: dict[str, bytes]) -> Tally:
    return await rendered(shelved(folder, files), Tally())


def shelved(folder: Path, files: dict[str, bytes]) -> list[Path]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return sorted(folder / name for name in files)


async def test_no_file_made_to_hurt_does(tmp_path: Path) -> None:
    files = {name: make() for name, make in BUILT.items() if name not in SLOW}
    tally = await ran(tmp_path, files)
    assert tally.crashed_parent == []
    assert tally.over_deadline() == []
    assert len(tally.rows) == len(files)
    summary = tally.summary()
    assert summary["max_child_rss_bytes"] < MOST_RESIDENT_BYTES
    programs = [row for row in tally.refused() if row["type"] in {"pdf", "svg"}]
    assert programs
    assert max(row["peak_rss_bytes"] for row in programs) < MOST_REFUSED_PROGRAM_BYTES


async def test_damaged_files_get_a_verdict_each(tmp_path: Path) -> None:
    files = {name: data for name, data in nasties() if name.startswith("damaged-")}
    tally = await ran(tmp_path, files)
    assert tally.crashed_parent == []
    assert tally.over_deadline() == []
    assert len(tally.rows) == len(files)
    assert "crashed" not in tally.summary()["verdicts"]


async def test_a_file_that_breaks_the_parent_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    first, last = shelved(tmp_path, {"a.txt": b"text", "c.txt": b"text"})
    missing = tmp_path / "b.txt"  # the command tells of it and ends with 2
    tally = await rendered([first, missing, last], Tally(), processes=1)
    assert len(tally.crashed_parent) == 1


@pytest.mark.parametrize("name", sorted(BUILT))
def test_nasty_files_are_small_enough_to_be_sent(name: str) -> None:
    assert 0 < len(BUILT[name]()) < 26_214_400
