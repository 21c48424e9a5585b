import subprocess
import sys
from typing import Final

END_SECONDS: Final = 20.0
WITH_A_THREAD_LEFT: Final = """
import threading
from agents.__main__ import end_process
threading.Thread(target=threading.Event().wait).start()
print("ended", end="")
end_process(3)
"""


def test_a_thread_that_never_ends_does_not_keep_the_process() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITH_A_THREAD_LEFT], capture_output=True, text=True, timeout=END_SECONDS, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "ended", "")
