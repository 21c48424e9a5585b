import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stream.failures import Reason, Retryable
from stream.kafka.spool import FILE, PAGE_BYTES, Spool
from stream.records.attachments import OutgoingRecord
from stream.variables import WrongSettingError
from tests.harness.processes import Process

ROOT = Path(__file__).parents[3]
LOG_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
NOW = 1_700_000_000.0
MEGABYTE = 1_000_000
MOST_OF_A_COMMIT = 8  # as many as there are senders
APPENDS = """
import asyncio, sys
from pathlib import Path
from stream.records.attachments import OutgoingRecord
from stream.kafka.spool import Spool

async def append() -> None:
    spool = Spool.open(Path(sys.argv[1]), max_bytes=10**9, clock=lambda: 0.0)
    number = 0
    async def one(sender: int) -> None:
        nonlocal number
        while True:
            number += 1
            mine = number
            await spool.append([OutgoingRecord(f"event-{mine}", b"key", b"x" * 1000, [("name", b"value")])])
            print(mine, flush=True)
    await asyncio.gather(*(one(sender) for sender in range(8)))

asyncio.run(append())
"""


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def record(number: int, size_bytes: int = 10) -> OutgoingRecord:
    return OutgoingRecord(f"event-{number}", b"conversation-1", b"x" * size_bytes, [("ce_id", b"%d" % number)])


@asynccontextmanager
async def opened(folder: Path, max_bytes: int = MEGABYTE, clock: Clock | None = None) -> AsyncIterator[Spool]:
    spool = Spool.open(folder, max_bytes=max_bytes, clock=clock or Clock())
    try:
        yield spool
    finally:
        await spool.close()


async def test_records_come_back_as_they_were_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append([record(1), record(2)])
        await asyncio.gather(*(spool.append([record(number)]) for number in range(3, 8)))
        head = await spool.head(4)
        assert head.records == [record(number) for number in range(1, 5)]
        await spool.drop(head)
        assert (await spool.head(10)).records == [record(number) for number in range(5, 8)]
        assert spool.records == 3


async def test_what_a_process_leaves_the_next_one_finds(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append([record(1), record(2)])
        size_bytes = spool.size_bytes
    clock = Clock()
    clock.now += 60
    async with opened(tmp_path, clock=clock) as spool:
        assert (spool.records, spool.size_bytes, spool.oldest_seconds) == (2, size_bytes, 60)
        await spool.drop(await spool.head(10))
        assert (spool.is_empty, spool.size_bytes, spool.oldest_seconds) == (True, 0, 0)


async def test_a_request_counts_as_held_before_the_disk_has_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        appending = asyncio.create_task(spool.append([record(1)]))
        await asyncio.sleep(0)
        assert not spool.is_empty
        await appending


async def test_a_full_spool_refuses_whole_requests_until_something_has_left(tmp_path: Path) -> None:
    async with opened(tmp_path, max_bytes=1000) as spool:
        await spool.append([record(1, 500)])
        with pytest.raises(Retryable) as caught:
            await spool.append([record(2, 100), record(3, 500)])
        assert (caught.value.reason, spool.records, spool.is_full) == (Reason.SPOOL_FULL, 1, True)
        await spool.drop(await spool.head(1))
        assert not spool.is_full
        await spool.append([record(2, 100), record(3, 500)])


async def test_the_disk_is_given_back_when_all_has_left(tmp_path: Path) -> None:
    async with opened(tmp_path, max_bytes=100 * MEGABYTE) as spool:
        await spool.append([record(number, 10_000) for number in range(200)])
        await spool.drop(await spool.head(200))
    assert disk_bytes(tmp_path) < 200_000


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


async def test_two_processes_never_share_a_folder(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(WrongSettingError, match=r"^BRIDGE_SPOOL_DIR=.*another process has its spool there"):
            Spool.open(tmp_path, max_bytes=1, clock=Clock())
    async with opened(tmp_path):
        pass


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WrongSettingError, match="BRIDGE_SPOOL_DIR="):
        Spool.open(tmp_path / "file", max_bytes=1, clock=Clock())


def test_a_file_that_is_no_spool_is_refused_and_let_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"something else" * 1000)
    with pytest.raises(WrongSettingError, match="cannot be opened"):
        Spool.open(tmp_path, max_bytes=1, clock=Clock())
    assert (tmp_path / FILE).read_bytes() == b"something else" * 1000


def test_only_the_owner_may_read_what_guests_sent(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path / "new" / "spool", max_bytes=1, clock=Clock())
    asyncio.run(spool.close())
    assert (tmp_path / "new" / "spool").stat().st_mode & 0o077 == 0


def killed_while_appending(folder: Path, log: Path, least: int) -> set[int]:
    """Return the numbers whose append had returned when the process was killed."""
    command = [sys.executable, "-c", APPENDS, str(folder)]
    process = Process("appending", command, log, {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)})
    with process:
        process.wait_until(lambda: log.exists() and log.read_bytes().count(b"\n") >= least, 60)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    return {int(line) for line in log.read_text().split("\n")[:-1]}


async def test_what_was_kept_outlives_sigkill(tmp_path: Path) -> None:
    kept = killed_while_appending(tmp_path / "spool", tmp_path / "log", 200)
    async with opened(tmp_path / "spool") as spool:
        found = [int(found.event_id.removeprefix("event-")) for found in (await spool.head(10**9)).records]
    assert kept <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("cut_bytes", [1, 100, 5_000, 20_000])
async def test_a_record_that_a_power_cut_tore_is_as_if_it_had_never_been(tmp_path: Path, cut_bytes: int) -> None:
    """The end of the write-ahead log is what had not reached the disk: it is missing, or holds other bytes."""
    folder = tmp_path / "spool"
    killed_while_appending(folder, tmp_path / "log", 50)
    whole = await asyncio.to_thread(read_apart, folder, tmp_path / "copy")
    log = folder / f"{FILE}-wal"
    intact = committed(log.read_bytes())[:-cut_bytes]
    for torn in (intact, intact + b"\0" * cut_bytes, intact + os.urandom(cut_bytes)):
        log.write_bytes(torn)
        found = await asyncio.to_thread(read_apart, folder, tmp_path / "copy")
        assert found == whole[: len(found)]
        assert len(whole) > len(found) >= len(whole) - MOST_OF_A_COMMIT * (2 + cut_bytes // PAGE_BYTES)


def committed(log: bytes) -> bytes:
    """Return a write-ahead log up to its last commit: what the killed process was writing behind it is none's record.

    Its format is SQLite's: https://www.sqlite.org/fileformat2.html#the_write_ahead_log.
    """
    frame_bytes = FRAME_HEADER_BYTES + int.from_bytes(log[8:12])
    starts = range(LOG_HEADER_BYTES, len(log) - frame_bytes + 1, frame_bytes)
    of_this_log = [start for start in starts if log[start + 8 : start + 16] == log[16:24]]  # the salts
    commits = [start for start in of_this_log if int.from_bytes(log[start + 4 : start + 8])]
    return log[: commits[-1] + frame_bytes]


def read_apart(folder: Path, copy: Path) -> list[int]:
    """Read a copy, for the reading itself moves the log's records into the file."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)

    async def read() -> list[int]:
        async with opened(copy) as spool:
            return [int(one.event_id.removeprefix("event-")) for one in (await spool.head(10**9)).records]

    return asyncio.run(read())


async def test_a_disk_that_is_full_refuses_and_holds_nothing_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append([record(1)])
        spool._database.execute("PRAGMA max_page_count=4")  # which SQLite tells as it tells a full disk
        with pytest.raises(Retryable, match="spool cannot be written") as caught:
            await spool.append([record(2, 900_000)])
        assert (caught.value.reason, spool.records) == (Reason.KAFKA_UNAVAILABLE, 1)
        await spool.append([record(3)])
        assert [one.event_id for one in (await spool.head(9)).records] == ["event-1", "event-3"]
