"""Child processes of the tests and the demo: started, watched, paused, and always ended by their own id."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_SECONDS = 15.0
LAST_WORDS_LINES = 30
# Below Linux's ephemeral ports (32768 and up): a client that redials a stopped server there may connect to itself.
PORTS = range(20_000, 32_000)


class ProcessError(Exception):
    """A child did not start, ended early, or was late; the message ends with its log's last lines."""


class Process:
    """One child with its log file; `start` after `stop` runs the same command again.

    Started from the main thread, the child dies with this process, however that ends.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self._environ = None if environ is None else dict(environ)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child in its own process group, so that Ctrl-C reaches the one who stops it in order."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_dying_with_parent(), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                cwd=self._folder,
                start_new_session=True,
            )

    def change(self, **environ: str) -> None:
        """Set variables of the environment from the next start on, for a child that was given an environment."""
        self._environ = {**(self._environ or {}), **environ}

    @property
    def pid(self) -> int:
        """The child's process id."""
        if self._process is None:
            raise ProcessError(f"{self.name} is not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the child has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the child ended; minus the signal's number when killed, None when it runs."""
        return None if self._process is None else self._process.poll()

    def wait(self, timeout_seconds: float) -> int:
        """Wait for the child's own end and return its exit code."""
        try:
            return self._known().wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise ProcessError(self._told(f"still runs after {timeout_seconds:g} s")) from error

    def wait_until(self, ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Wait until `ready()`, as long as the child runs."""
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if not self.running:
                raise ProcessError(self._told(f"ended with {self.exit_code} before it was ready"))
            if time.monotonic() > deadline:
                raise ProcessError(self._told(f"is not ready after {timeout_seconds:g} s"))
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._known().wait(0.05)

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> int | None:
        """End the child with SIGTERM, then SIGKILL; return its exit code, None when it never ran."""
        if self._process is None:
            return None
        self.resume()
        self._send(signal.SIGTERM)
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def terminate(self) -> None:
        """Ask the child to end, with SIGTERM, and return at once."""
        self._send(signal.SIGTERM)

    def kill(self) -> int:
        """End the child at once with SIGKILL."""
        self._send(signal.SIGKILL)
        return self._known().wait()

    def pause(self) -> None:
        """Freeze the child: its connections stay open and answer nothing."""
        if not self.running:
            raise ProcessError(self._told("does not run, so it cannot be frozen"))
        self._send(signal.SIGSTOP)
        # A stop takes a moment to reach every thread; WNOWAIT leaves an end, if it comes instead, to Popen.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a frozen child go on."""
        self._send(signal.SIGCONT)

    def last_words(self, lines: int = LAST_WORDS_LINES) -> str:
        """Return the end of the child's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _send(self, number: signal.Signals) -> None:
        self._known().send_signal(number)  # Popen polls first: never a signal to a reused id

    def _known(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ProcessError(f"{self.name} is not started")
        return self._process

    def _told(self, what: str) -> str:
        return f"{self.name} {what}; {self.log} ends with:\n{self.last_words()}"


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens and which no outgoing connection is given by chance."""
    for port in random.SystemRandom().sample(PORTS, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ProcessError(f"no free port among {PORTS}")


def accepts_connections(port: int) -> bool:
    """Tell whether something on 127.0.0.1 accepts connections on the port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _dying_with_parent() -> list[str]:
    setpriv = shutil.which("setpriv")  # util-linux, on every Debian; elsewhere only an orderly end is clean
    # "Parent" means the thread: a child started by a pool's thread would die when the pool is shut down.
    in_main_thread = threading.current_thread() is threading.main_thread()
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv and in_main_thread else []
