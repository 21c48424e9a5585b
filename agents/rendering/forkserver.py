"""The process that children are forked from: codecs loaded once, shared by all.

Executed by forking.Forkserver with a clean environment and one inherited socket. Single-threaded, handles
no file, and is the only one that reaps, so a process id it kills is never another's.
"""

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, Final

from agents.rendering import child, syscalls, wire
from agents.rendering.confinement import Surroundings, prepare

DESCRIPTORS_OF_A_CHILD: Final = 3
KIBIBYTE: Final = 1024
# Compiled modules that Python loads when it first needs them: a confined child can no longer load code.
LOADED_EARLY: Final = ("unicodedata", "encodings.idna", "array", "bisect", "decimal", "random", "zlib", "bz2", "lzma")
PR_SET_CHILD_SUBREAPER: Final = 36  # prctl(2)


class Server:
    """Forks, kills and reaps at the parent's word; ends, with all children, when the parent is gone."""

    def __init__(self, parent: socket.socket, engine: Any, surroundings: Surroundings) -> None:
        self._parent = parent
        self._engine = engine
        self._surroundings = surroundings
        self._pids: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Serve until the parent closes its end."""
        syscalls.prctl(PR_SET_CHILD_SUBREAPER, 1)  # grandchildren left behind are ours to reap, not process 1's
        for asked_to_end in (signal.SIGINT, signal.SIGTERM):  # the parent's to handle: it drains first, then hangs up
            signal.signal(asked_to_end, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        self._selector.register(self._parent, selectors.EVENT_READ)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        try:
            while self._serve_once():
                self._reap()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the parent is gone, which ends this process like a proper goodbye
        finally:
            for pid in self._pids:
                _kill_group(pid)

    def _serve_once(self) -> bool:
        for key, _ in self._selector.select():
            if key.fileobj is not self._parent:
                os.read(self._wake_reader, wire.MAX_MESSAGE_BYTES)
                continue
            data, descriptors, _, _ = socket.recv_fds(self._parent, wire.MAX_MESSAGE_BYTES, DESCRIPTORS_OF_A_CHILD)
            if not data:
                return False
            self._obey(wire.request(data), descriptors)
        return True

    def _obey(self, request: wire.Fork | wire.Kill, descriptors: list[int]) -> None:
        if isinstance(request, wire.Fork):
            self._parent.send(wire.message(self._fork(request, descriptors)))
            for descriptor in descriptors:
                os.close(descriptor)
        elif request.pid in self._pids:
            _kill_group(request.pid)

    def _fork(self, request: wire.Fork, descriptors: list[int]) -> wire.Forked:
        try:
            pid = os.fork()
        except OSError as error:
            return wire.Forked(0, str(error))
        if pid == 0:
            self._become_child(request, descriptors)
        with suppress(OSError):
            os.setpgid(pid, pid)  # the child does the same: whoever is first, the group is there when it is killed
        self._pids.add(pid)
        return wire.Forked(pid)

    def _become_child(self, request: wire.Fork, descriptors: list[int]) -> None:
        """Never returns: whatever happens, the child must not go on as a second forkserver."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            limits, may_exec = request.limits, request.may_exec
            child.main(self._engine.render, descriptors, limits, self._surroundings, may_exec=may_exec)
            os._exit(0)
        finally:
            os._exit(1)

    def _reap(self) -> None:
        """Collect the dead; what a dead child started is killed while its id is still taken, so never reused."""
        while (dead := _next_dead()) is not None:
            if dead in self._pids:
                _kill_group(dead)
            _, status, usage = os.wait4(dead, 0)
            if dead in self._pids:
                self._pids.discard(dead)
                ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
                self._parent.send(wire.message(wire.Exited(dead, ended_by, usage.ru_maxrss * KIBIBYTE)))


def _next_dead() -> int | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def main(socket_descriptor: int, engine_module: str) -> None:
    """Load the engine and serve."""
    surroundings = prepare()  # before an engine may start a thread: then the kernel no longer lets it
    for name in LOADED_EARLY:
        importlib.import_module(name)
    engine = importlib.import_module(engine_module)
    engine.preload()
    gc.collect()
    gc.freeze()  # a collection in a child would otherwise copy every shared page it looks at
    with socket.socket(fileno=socket_descriptor) as parent:
        Server(parent, engine, surroundings).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
