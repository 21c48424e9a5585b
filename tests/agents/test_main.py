import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

END_SECONDS: Final = 20.0
WITH_A_THREAD_LEFT: Final = """
import threading
from agents.__main__ import end_process
threading.Thread(target=threading.Event().wait).start()
print("ended", end="")
end_process(3)
"""

WITH_A_TASK_LEFT: Final = """
import asyncio
from agents.__main__ import end_process
async def stubborn():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
async def run():
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    print("ended", end="")
    end_process(3)
asyncio.run(run())
"""


def test_a_worker_that_is_told_to_end_while_it_reads_its_settings_ends_with_0(tmp_path: Path) -> None:
    settings = tmp_path / ".env"
    os.mkfifo(settings)
    command = [sys.executable, "-m", "agents", "worker"]
    # The file can be opened for writing once the worker has opened it for reading, and keeps it reading.
    with subprocess.Popen(command, cwd=tmp_path) as worker, settings.open("w"):
        worker.terminate()
        assert worker.wait(END_SECONDS) == 0


@pytest.mark.parametrize("left", [WITH_A_THREAD_LEFT, WITH_A_TASK_LEFT], ids=["a thread", "a task"])
def test_what_never_ends_does_not_keep_the_process(left: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", left], capture_output=True, text=True, timeout=END_SECONDS, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "ended", "")
