"""A sender of webhooks that costs little, because it shares the machine with what it measures.

One process, one epoll, requests prebuilt but for their number; the status of every answer is looked at. Run as
`python -m bench.ingest.load`; prints one JSON object.
"""

import argparse
import json
import select
import socket
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

PATH: Final = "/webhooks/genesys/attachments"
CONVERSATIONS: Final = 1000
DIGITS: Final = 14
EVENT_BYTES: Final = 1024
ANSWER_SECONDS: Final = 10.0  # how long Genesys waits
RECEIVE_BYTES: Final = 65_536
BLANK_LINE: Final = b"\r\n\r\n"
LENGTH: Final = b"content-length:"


class BrokenAnswerError(Exception):
    """A server closed a connection, or did not answer in time."""


class Requests:
    """Requests of one size whose numbers, and so whose event ids, all differ."""

    def __init__(self, host: str) -> None:
        data = {
            "conversationId": f"conversation-{'9' * 4}",
            "attachmentUrl": f"https://files.example.com/{'8' * DIGITS}.png?signature=",
            "fileName": "photo.png",
            "mimeType": "image/png",
        }
        missing = EVENT_BYTES - len(json.dumps({"event": "webchat:attachment", "data": data}))
        data["attachmentUrl"] += "a" * missing  # presigned addresses are that long
        body = json.dumps({"event": "webchat:attachment", "data": data})
        head = f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        whole = f"{head}\r\n\r\n{body}".encode()
        self._first, rest = whole.split(b"9" * 4)
        self._second, self._third = rest.split(b"8" * DIGITS)

    def numbered(self, number: int) -> bytes:
        return b"%b%04d%b%014d%b" % (self._first, number % CONVERSATIONS, self._second, number, self._third)


@dataclass(slots=True)
class Connection:
    socket: socket.socket
    asked_at: float = 0.0
    received: bytes = b""


@dataclass
class Tally:
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_seconds: "array[float]" = field(default_factory=lambda: array("d"))


class Load:
    """Connections that are kept alive; `first` numbers the events of this load."""

    def __init__(self, url: str, connections: int, first: int) -> None:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        self._requests = Requests(f"{host}:{port}")
        self._next = first
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: deque[Connection] = deque()
        self.tally = Tally()
        for _ in range(connections):
            self._connect(host, port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._epoll.close()
        for connection in self._connections.values():
            connection.socket.close()

    def closed_loop(self, *, seconds: float = 0.0, count: int = 0) -> float:
        """Let every connection send as soon as it is answered, for a time or a number; return the answers a second."""
        started_at = time.perf_counter()
        until = started_at + seconds if seconds else float("inf")
        left = count or sys.maxsize
        while time.perf_counter() < until and left:
            while self._idle and left:
                self._send(self._idle.popleft(), time.perf_counter())
                left -= 1
            self._receive(ANSWER_SECONDS)
        answered, took = self.tally.statuses.total(), time.perf_counter() - started_at
        self._finish()  # what is still open is looked at, too
        return answered / took

    def open_loop(self, *, seconds: float, per_second: float) -> float:
        """Send at set times whatever the server does; a latency counts from when the request should have been sent."""
        started_at = time.perf_counter()
        sent, every = 0, int(seconds * per_second)
        while sent < every:
            now = time.perf_counter()
            while self._idle and sent < every and (due_at := started_at + sent / per_second) <= now:
                self._send(self._idle.popleft(), due_at)
                sent += 1
            due_in = started_at + sent / per_second - now
            self._receive(max(0.0, due_in) if self._idle else ANSWER_SECONDS)
        self._finish()
        return sent / (time.perf_counter() - started_at)

    def _finish(self) -> None:
        while len(self._idle) < len(self._connections):
            self._receive(ANSWER_SECONDS)

    def _connect(self, host: str, port: int) -> None:
        made = socket.create_connection((host, port), timeout=ANSWER_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)  # noqa: FBT003 - as it is there
        connection = Connection(made)
        self._connections[made.fileno()] = connection
        self._epoll.register(made, select.EPOLLIN)
        self._idle.append(connection)

    def _send(self, connection: Connection, asked_at: float) -> None:
        connection.asked_at = asked_at
        request = self._requests.numbered(self._next)
        self._next += 1
        if connection.socket.send(request) != len(request):  # one answered request at a time always fits
            raise BrokenAnswerError("a request did not fit into an idle connection")

    def _receive(self, timeout_seconds: float) -> None:
        ready = self._epoll.poll(timeout_seconds)
        if not ready and timeout_seconds == ANSWER_SECONDS:
            raise BrokenAnswerError(f"no answer in {ANSWER_SECONDS:g} s")
        for number, _ in ready:
            connection = self._connections[number]
            received = connection.socket.recv(RECEIVE_BYTES)
            if not received:
                raise BrokenAnswerError("a connection was closed")
            connection.received += received
            if _is_whole(connection.received):
                self._answered(connection)

    def _answered(self, connection: Connection) -> None:
        self.tally.statuses[connection.received[9:12].decode()] += 1
        self.tally.latencies_seconds.append(time.perf_counter() - connection.asked_at)
        connection.received = b""
        self._idle.append(connection)


def _is_whole(received: bytes) -> bool:
    head, found, body = received.partition(BLANK_LINE)
    if not found:
        return False
    length = head.lower().partition(LENGTH)[2].partition(b"\r\n")[0]
    return len(body) >= int(length)


def run(given: argparse.Namespace) -> dict[str, Any]:
    with Load(given.url, given.connections, given.first) as load:
        per_second = (
            load.open_loop(seconds=given.seconds, per_second=given.rate)
            if given.rate
            else load.closed_loop(seconds=given.seconds, count=given.count)
        )
    cuts = quantiles(load.tally.latencies_seconds, n=1000, method="inclusive")
    return {
        "answers": load.tally.statuses.total(),
        "statuses": dict(load.tally.statuses),
        "per_second": per_second,
        "p50_ms": cuts[499] * 1000,
        "p99_ms": cuts[989] * 1000,
        "max_ms": max(load.tally.latencies_seconds) * 1000,
        "cpu_seconds": time.process_time(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("url", help="http://host:port of a hook")
    options.add_argument("--connections", type=int, default=64)
    options.add_argument("--seconds", type=float, default=0.0, help="how long")
    options.add_argument("--count", type=int, default=0, help="or how many")
    options.add_argument("--rate", type=float, default=0.0, help="requests a second, open loop; else one after another")
    options.add_argument(
        "--first", type=int, default=time.time_ns() // 1_000_000 * 10, help="number of the first event"
    )
    given = options.parse_args(arguments)
    if bool(given.seconds) == bool(given.count):
        options.error("either --seconds or --count")
    measured = run(given)
    print(json.dumps(measured))
    return 0 if set(measured["statuses"]) == {"202"} else 1


if __name__ == "__main__":
    sys.exit(main())
