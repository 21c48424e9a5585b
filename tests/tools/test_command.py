import sys

import pytest

from tools.command import SetupError, run


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
