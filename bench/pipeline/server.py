"""The world around the pipeline in one process: files to GET, an S3 server and Genesys, each with its latency.

Written on the bare transport, because what this server spends is taken from those whose speed is measured.
`python -m bench.pipeline.server FOLDER` prints its two ports, of which the API has one, and serves until it is ended.
"""

import argparse
import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BUCKET: Final = "attachment-previews"
API: Final = "/api/v2/conversations/"
MODIFIED: Final = "Thu, 01 Jan 2026 00:00:00 GMT"
MS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and after how many seconds."""

    body: bytes = b""
    status: str = "200 OK"
    headers: str = ""
    after_seconds: float = 0.0

    def data(self, method: str) -> bytes:
        """Return the bytes on the wire."""
        head = f"HTTP/1.1 {self.status}\r\n{self.headers}Content-Length: {len(self.body)}\r\n\r\n".encode()
        return head if method == "HEAD" else head + self.body


@dataclass
class World:
    """Files, objects and posts."""

    files: dict[str, bytes]
    get_seconds: float
    storage_seconds: float
    genesys_seconds: float
    objects: set[str] = field(default_factory=set)
    posts: int = 0

    def answer(self, method: str, path: str) -> Answer:
        """Answer one request."""
        match path.split("/")[1]:
            case "files":
                return Answer(self.files[path.rpartition("/")[2]], after_seconds=self.get_seconds)
            case "api" | "oauth":
                return Answer(self._genesys(method, path), after_seconds=self.genesys_seconds)
            case "count":
                return Answer(json.dumps({"posts": self.posts, "objects": len(self.objects)}).encode())
            case _:
                return self._storage(method, path)

    def _storage(self, method: str, path: str) -> Answer:
        if method == "PUT":
            self.objects.add(path)
        there = path in self.objects or path.strip("/") == BUCKET
        headers = f'ETag: "0"\r\nLast-Modified: {MODIFIED}\r\n'
        return Answer(b"", "200 OK" if there else "404 Not Found", headers, self.storage_seconds)

    def _genesys(self, method: str, path: str) -> bytes:
        if path == "/oauth/token":
            return b'{"access_token": "token", "token_type": "bearer", "expires_in": 86400}'
        if method == "POST":
            self.posts += 1
            return b'{"id": "message-%d"}' % self.posts
        leg = {"id": f"leg-of-{path.rpartition('/')[2]}", "state": "connected"}
        participant = {"id": "guest", "purpose": "customer", "messages": [leg]}
        return json.dumps({"id": path.removeprefix(API), "participants": [participant]}).encode()


class Connection(asyncio.Protocol):
    """One kept-alive connection; requests on it are answered one after another."""

    def __init__(self, answer: Callable[[str, str], Answer]) -> None:
        self._answer = answer
        self._received = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._received[:head_end].decode("latin-1")
        end = head_end + 4 + _content_length(head)
        if len(self._received) < end:
            return
        del self._received[:end]
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        self._reply(method, self._answer(method, target.partition("?")[0]), closing="connection: close" in head.lower())

    def _reply(self, method: str, answer: Answer, *, closing: bool) -> None:
        data = answer.data(method)
        if answer.after_seconds:
            asyncio.get_running_loop().call_later(answer.after_seconds, self._write, data, closing)
        else:
            self._write(data, closing)

    def _write(self, data: bytes, closing: bool) -> None:  # noqa: FBT001 - call_later takes no keywords
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if closing:
            self._transport.close()


def _content_length(head: str) -> int:
    at = head.lower().find("\r\ncontent-length:")
    return int(head[at + 17 :].partition("\r\n")[0]) if at >= 0 else 0


async def serve(world: World) -> None:
    """Serve until cancelled."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Connection(world.answer), "127.0.0.1", 0) for _ in range(2)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps({"port": ports[0], "api_port": ports[1]}), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    for name in ("get", "storage", "genesys"):
        parser.add_argument(f"--{name}-ms", type=float, default=0.0)
    given = parser.parse_args()
    files = {path.name: path.read_bytes() for path in given.folder.iterdir() if path.suffix != ".json"}
    world = World(files, given.get_ms / MS, given.storage_ms / MS, given.genesys_ms / MS)
    asyncio.run(serve(world))


if __name__ == "__main__":
    main()
