"""Runs a command of the set-up: quiet when all is well, with signs of life, and its last words when it fails."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

SIGN_OF_LIFE_SECONDS = 5.0
LAST_WORDS_LINES = 25
TAIL_BYTES = 8192


class SetupError(Exception):
    """The set-up cannot go on; the message is for the person who typed make."""


def say(text: str) -> None:
    """Tell progress on standard error, which leaves standard output to the tool that make runs next."""
    print(text, file=sys.stderr, flush=True)


def run(
    label: str, command: Sequence[str | Path], environ: Mapping[str, str] | None = None, *, to_its_end: bool = False
) -> None:
    """Run a command and tell what it does every few seconds.

    Ctrl-C ends the command too, unless it must be left `to_its_end`; then Ctrl-C takes effect after it.

    Raises:
        SetupError: The command is missing or failed; the message ends with what it printed last.
    """
    say(f"{label} …")
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
                start_new_session=to_its_end,  # beyond the reach of the terminal's Ctrl-C
            )
        except OSError as error:
            raise SetupError(f"{label}: cannot run {command[0]}: {error}") from error
        with _to_its_end(process, label) if to_its_end else _ended(process):
            status = _await(process, label, output, started)
        if status:
            raise SetupError(f"{label}: {command[0]} ended with {status}\n{_last_words(output, LAST_WORDS_LINES)}")
    say(f"{label}: done in {time.monotonic() - started:.0f} s")


def _await(process: subprocess.Popen[bytes], label: str, output: IO[bytes], started: float) -> int:
    while True:
        try:
            return process.wait(SIGN_OF_LIFE_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"  {label}, {time.monotonic() - started:.0f} s: {_last_words(output, 1)[:100]}")


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def _to_its_end(process: subprocess.Popen[bytes], label: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        say(f"\n{label}: not to be broken off, waiting for its end …")
        process.wait()
        raise


def _last_words(output: IO[bytes], lines: int) -> str:
    # pread leaves the position alone, which the running child shares.
    size = os.fstat(output.fileno()).st_size
    text = os.pread(output.fileno(), TAIL_BYTES, max(0, size - TAIL_BYTES)).decode(errors="replace")
    return "\n".join(line.strip() for line in text.splitlines()[-lines:])
