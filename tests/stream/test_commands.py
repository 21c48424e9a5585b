import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream.__main__ import main
from stream.specifications import files

ROOT = Path(__file__).parents[2]
COMMANDS: tuple[list[str], ...] = (
    [],
    ["bridge"],
    ["topics"],
    ["dead-letters"],
    ["dead-letters", "list"],
    ["dead-letters", "show"],
    ["dead-letters", "replay"],
    ["dead-letters", "purge"],
    ["backfill"],
    ["probe"],
    ["unfinished"],
    ["erase"],
    ["hold"],
    ["release"],
    ["schemas"],
    ["settings"],
)


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("KAFKA_", "TOPIC_", "WORKER_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m stream {' '.join(command)}".strip())


@pytest.mark.parametrize(
    "command",
    [["bridge"], ["topics"], ["dead-letters", "list"], ["backfill"], ["probe"], ["hold", "c"], ["settings"]],
    ids=" ".join,
)
def test_a_wrong_setting_ends_every_command_with_one_line_and_code_2(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOPIC_PARTITIONS", "none")
    assert main(command) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("TOPIC_PARTITIONS='none' is wrong: a whole number from 1 to 1024")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--reason", "bad_luck"],
        ["list", "--stage", "nowhere"],
        ["list", "--since", "yesterday"],
        ["list", "--older-than", "long"],
        ["replay", "--all", "--rate", "-1"],
        ["replay", "--all", "--rate", "nan"],
        ["purge", "--rate", "1"],
        ["show"],
        ["eat"],
    ],
)
def test_wrong_arguments_end_with_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dead-letters", *arguments])
    assert ended.value.code == 2
    assert "<Reason" not in capsys.readouterr().err


@pytest.mark.parametrize("action", ["replay", "purge"])
def test_a_replay_or_purge_of_nothing_in_particular_is_refused(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", action]) == 2
    assert capsys.readouterr().err == "say which: an event id, a position, a filter, or --all\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["erase", ""], "argument CONVERSATION: a conversation id has 1 to 256 characters, not 0"),
        (["hold", "c", "d" * 257], "argument CONVERSATION: a conversation id has 1 to 256 characters, not 257"),
        (["release", "c\udcff"], "argument CONVERSATION: the conversation id is no UTF-8"),
        (["erase", "c", "--note", "n" * 1025], "argument --note: a note has 0 to 1024 characters, not 1025"),
        (["hold", "c", "--by", "n" * 257], "argument --by: a name has 0 to 256 characters, not 257"),
        (["hold", "c", "--wait-seconds", "0"], "argument --wait-seconds: '0' is no number above 0"),
        (["erase", "c", "--no-wait", "--dead-letters"], "--dead-letters: not allowed with argument --no-wait"),
        (["hold", "c", "--dead-letters"], "unrecognized arguments: --dead-letters"),
        (["erase"], "the following arguments are required: CONVERSATION"),
    ],
)
def test_orders_that_no_worker_could_read_are_not_given(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_nothing_is_erased_where_nobody_can_say_yes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["erase", "c", "d", "c"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("Erase 2 conversations, for good?: nobody is at the terminal")
    assert said.err.endswith("nothing erased\n")


def test_schemas_are_written_into_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", "--out", "made"]) == 0
    assert {str(path.relative_to(tmp_path / "made")) for path in (tmp_path / "made").rglob("*.json")} == set(files())
    assert len(capsys.readouterr().out.splitlines()) == len(files())


def test_settings_in_force_are_told_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", "hidden")
    assert main(["settings"]) == 0
    told = capsys.readouterr().out
    assert "WEBHOOK_SECRET=***" in told.splitlines()
    assert "hidden" not in told
    assert main(["settings", "--example"]) == 0
    assert "# TOPIC_PARTITIONS=4" in capsys.readouterr().out.splitlines()


def test_a_kafka_that_is_not_there_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert main(["topics", "--wait-seconds", "0.5"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Kafka at 127.0.0.1:1 gave no answer in 0.5 s: ")
    assert said.err.count("\n") == 1


def test_a_reader_that_has_enough_is_no_error() -> None:
    command = f'"{sys.executable}" -m stream settings --example | head -n 1'
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith("# Copy to .env")


def test_no_command_loads_the_sdk_to_explain_itself() -> None:
    script = (
        "import sys\n"
        "from stream.__main__ import parser\n"
        "parser().format_help()\n"
        "heavy = ('PureCloudPlatformClientV2', 'urllib3', 'confluent_kafka', 'stream.genesys', 'stream.kafka.ends')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "[]\n"


def test_an_interrupt_ends_a_command_with_one_line() -> None:
    environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stream", "dead-letters", "list"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while len(list(Path(f"/proc/{process.pid}/task").iterdir())) == 1:  # until the client of Kafka has threads
            assert time.monotonic() < deadline
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "interrupted\n")
