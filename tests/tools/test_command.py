import subprocess
import sys
from pathlib import Path

import pytest

from tools.command import SetupError, run

ROOT = Path(__file__).parents[2]


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(SetupError, match=r"(?s)the thing: .* ended with 3\n.*no room"):
        run("the thing", [sys.executable, "-c", "print('no room'); raise SystemExit(3)"])


def test_a_command_that_is_missing_is_told() -> None:
    with pytest.raises(SetupError, match="the thing: cannot run no-such-command"):
        run("the thing", ["no-such-command"])


def test_progress_leaves_standard_output_to_the_tool_that_follows(capfd: pytest.CaptureFixture[str]) -> None:
    run("the thing", [sys.executable, "-c", "print('chatter')"])
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.startswith("the thing …\nthe thing: done in")
    assert "chatter" not in told.err


def test_a_command_gets_the_environment_that_it_is_given() -> None:
    code = "import os; raise SystemExit(os.environ['GREETING'] != 'hello')"
    run("the thing", [sys.executable, "-c", code], {"GREETING": "hello"})


def interrupted(code: str, *, to_its_end: bool) -> subprocess.CompletedProcess[str]:
    """Run code as a command of a set-up that has a process group of its own."""
    program = (
        "import signal, sys; from tools.command import run; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored in what a shell runs in the background
        f"run('the thing', [sys.executable, '-c', {code!r}], to_its_end={to_its_end})"
    )
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, start_new_session=True, check=False
    )


# The parent's group is told, as a terminal does it; the child of a session of its own is not in it.
BREAK_OFF = "import os, pathlib, signal, time; os.killpg(os.getpgid(os.getppid()), signal.SIGINT); "


def test_ctrl_c_ends_a_command(tmp_path: Path) -> None:
    answer = interrupted(
        f"{BREAK_OFF}time.sleep(60); pathlib.Path({str(tmp_path / 'end')!r}).touch()", to_its_end=False
    )
    assert "KeyboardInterrupt" in answer.stderr
    assert not (tmp_path / "end").exists()


def test_ctrl_c_waits_for_a_command_that_must_not_be_broken_off(tmp_path: Path) -> None:
    answer = interrupted(
        f"{BREAK_OFF}time.sleep(0.5); pathlib.Path({str(tmp_path / 'end')!r}).touch()", to_its_end=True
    )
    assert "KeyboardInterrupt" in answer.stderr
    assert (tmp_path / "end").exists()
