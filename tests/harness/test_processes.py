import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from tests.harness.processes import PORTS, Process, ProcessError, accepts_connections, free_port

DEADLINE_SECONDS = 20.0
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
DEAF_SLEEPER = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
PARENT = """
import sys
from pathlib import Path
from tests.harness.processes import Process
child = Process("child", [sys.executable, "-c", {sleeper!r}], Path({log!r}))
child.start()
child.wait_until(lambda: "up" in child.last_words(), 20)
print(child.pid, flush=True)
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""


def python(code: str, folder: Path) -> Process:
    return Process("a child", [sys.executable, "-c", code], folder / "child.log")


def up(process: Process) -> None:
    process.wait_until(lambda: "up" in process.last_words(), DEADLINE_SECONDS)


def state(pid: int) -> str:
    """The letter that Linux gives the process: S sleeps, T is stopped, Z is a zombie; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def test_a_stopped_child_has_ended_by_sigterm(tmp_path: Path) -> None:
    with python(SLEEPER, tmp_path) as child:
        up(child)
        assert child.running
        assert child.stop() == -signal.SIGTERM
    assert not child.running


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with python(DEAF_SLEEPER, tmp_path) as child:
        up(child)
        assert child.stop(timeout_seconds=0.2) == -signal.SIGKILL


def test_a_frozen_child_can_be_stopped(tmp_path: Path) -> None:
    with python(SLEEPER, tmp_path) as child:
        up(child)
        child.pause()
        assert state(child.pid) == "T"
        assert child.stop() == -signal.SIGTERM


def test_a_frozen_child_goes_on(tmp_path: Path) -> None:
    with python(SLEEPER, tmp_path) as child:
        up(child)
        child.pause()
        assert state(child.pid) == "T"
        child.resume()
        child.wait_until(lambda: state(child.pid) in "SR", DEADLINE_SECONDS)


def test_a_child_that_ends_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        python("raise SystemExit('no money left')", tmp_path) as child,
        pytest.raises(ProcessError, match=r"(?s)ended with 1 before it was ready.*no money left"),
    ):
        child.wait_until(lambda: False, DEADLINE_SECONDS)


def test_a_child_that_is_late_is_told(tmp_path: Path) -> None:
    with python(SLEEPER, tmp_path) as child, pytest.raises(ProcessError, match=r"not ready after 0\.1 s"):
        child.wait_until(lambda: False, 0.1)


def test_a_child_that_still_runs_is_told(tmp_path: Path) -> None:
    with python(SLEEPER, tmp_path) as child, pytest.raises(ProcessError, match=r"still runs after 0\.1 s"):
        child.wait(0.1)


def test_a_child_starts_again_after_its_stop(tmp_path: Path) -> None:
    with python("print('up')", tmp_path) as child:
        assert child.wait(DEADLINE_SECONDS) == 0
        child.start()
        assert child.wait(DEADLINE_SECONDS) == 0
    assert child.last_words() == "up\nup"


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    grandchild_log = str(tmp_path / "grandchild.log")
    with python(PARENT.format(sleeper=SLEEPER, log=grandchild_log), tmp_path) as parent:
        assert parent.wait(DEADLINE_SECONDS) == -signal.SIGKILL
        grandchild = int(parent.last_words())
    ended = python(SLEEPER, tmp_path)
    with ended:
        ended.wait_until(lambda: state(grandchild) in {"", "Z"}, DEADLINE_SECONDS)


def test_a_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    child = python(SLEEPER, tmp_path)
    thread = threading.Thread(target=child.start)
    thread.start()
    thread.join()
    try:
        up(child)
        assert child.running
    finally:
        child.stop()


def test_a_child_that_was_never_started_has_no_id(tmp_path: Path) -> None:
    child = python(SLEEPER, tmp_path)
    assert child.stop() is None
    with pytest.raises(ProcessError, match="not started"):
        _ = child.pid


def test_a_free_port_is_free_and_not_ephemeral() -> None:
    port = free_port()
    assert port in PORTS
    assert not accepts_connections(port)
    with socket.create_server(("127.0.0.1", port)):
        assert accepts_connections(port)
