"""A file server with good manners and every kind of bad ones.

In a test: `with FilesServer() as server: server.url("photo.png")`. From other processes:
`python -m tests.harness.files_server --port 0 [--folder DIR]` prints its address and serves until it is ended.

What each address does is written in tests/harness/file_answers.py.
"""

import argparse
import asyncio
import json
import signal
import ssl
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.harness.file_answers import Files, Request, answer, content_type, good_files, parsed
from tests.harness.processes import Process, accepts_connections, free_port
from tests.harness.servers import Server


class FilesServer:
    """The server in a thread of this process; `requests` records what it was asked."""

    def __init__(self, port: int = 0, folder: Path | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.files = Files(good_files(), folder)
        self._port = port
        self._tls = tls
        self._thread = threading.Thread(target=self._run, name="files-server", daemon=True)
        self._started: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()

    @property
    def requests(self) -> list[Request]:
        return self.files.requests

    @property
    def port(self) -> int:
        return self._started.result(timeout=10)

    @property
    def address(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def add(self, name: str, data: bytes, kind: str | None = None) -> str:
        """Serve another file; returns its URL."""
        self.files.contents[name] = (data, kind or content_type(name))
        return self.url(name)

    def remove(self, name: str) -> None:
        del self.files.contents[name]

    def url(self, name: str) -> str:
        """Return the URL of a file; of a behaviour when the name starts with a slash."""
        return self.address + (name if name.startswith("/") else f"/files/{name}")

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(timeout=10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        # clients that break off are what this server is for
        self._loop.set_exception_handler(lambda _, __: None)
        try:
            server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, ssl=self._tls)
        except OSError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(server.sockets[0].getsockname()[1])
        await self._stopped.wait()
        server.close()
        await _end(asyncio.all_tasks() - {asyncio.current_task()})

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = parsed(await reader.readuntil(b"\r\n\r\n"))
            self.requests.append(request)
            await answer(request, writer, self.files)
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has seen enough
        finally:
            writer.transport.abort()


class FilesProcess(Server):
    """The server in a process of its own, over a folder whose files it serves under /files/."""

    def __init__(self, log_folder: Path, folder: Path) -> None:
        self._port = free_port()
        options = ["--port", str(self._port), "--folder", str(folder)]
        command = [sys.executable, "-m", "tests.harness.files_server", *options]
        super().__init__(Process("file server", command, log_folder / "files.log"))

    def url(self, name: str) -> str:
        """Return the URL of a file; of a behaviour when the name starts with a slash."""
        return f"http://127.0.0.1:{self._port}" + (name if name.startswith("/") else f"/files/{name}")

    def ready(self) -> bool:
        return accepts_connections(self._port)


async def _end(connections: set[asyncio.Task[Any]]) -> None:
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    await asyncio.sleep(0)  # aborted transports close their sockets in the loop's next round


def main() -> None:
    parser = argparse.ArgumentParser(description="A file server with good manners and every kind of bad ones")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--folder", type=Path, help="serve its files under /files/")
    arguments = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with FilesServer(arguments.port, arguments.folder) as server:
        print(json.dumps({"address": server.address}), flush=True)  # noqa: T201 - whoever started us reads it
        ended.wait()


if __name__ == "__main__":
    main()
