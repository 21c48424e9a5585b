"""What clients that mean harm can do to the server, over real connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from stream.bridge.bodies import Bodies, BodyLimits
from stream.bridge.server import ConnectionLimits, HttpServer
from stream.refusals import RefusedRequestError

ANSWER_SECONDS = 10
BODY_SECONDS = 0.3
GET = b"GET / HTTP/1.1\r\nhost: bridge\r\n\r\n"


async def app(_scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    bodies = Bodies(BodyLimits(body_bytes=1000, seconds=BODY_SECONDS, held_bytes=10_000))
    try:
        body = await bodies.read({}, receive)
        status = 200
    except RefusedRequestError as error:
        body, status = b"", error.status
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def served(connections: int = 100, header_bytes: int = 8192, idle_seconds: float = 30) -> AsyncIterator[int]:
    server = HttpServer.bind(app, "127.0.0.1", 0, ConnectionLimits(connections, header_bytes, idle_seconds))
    await server.start()
    yield server.port
    server.stop()
    async with asyncio.timeout(ANSWER_SECONDS):
        await server.ended()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def status(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, 0 when the connection ends without one."""
    async with asyncio.timeout(ANSWER_SECONDS):
        try:
            return int((await reader.readuntil(b"\r\n\r\n")).split()[1])
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0


async def test_a_client_that_never_ends_its_headers_loses_the_connection() -> None:
    async with served(idle_seconds=0.3) as port, connected(port) as (reader, writer):
        writer.write(GET[:-2] + b"x-slow: ")
        assert await status(reader) == 0
        assert reader.at_eof() or not await reader.read()


async def test_a_client_that_sends_nothing_loses_the_connection() -> None:
    async with served(idle_seconds=0.3) as port, connected(port) as (reader, _writer):
        assert await status(reader) == 0


async def test_a_client_that_rests_too_long_between_two_requests_loses_the_connection() -> None:
    async with served(idle_seconds=0.3) as port, connected(port) as (reader, writer):
        writer.write(GET)
        assert await status(reader) == 200
        assert await status(reader) == 0


async def test_headers_that_are_too_large_are_refused() -> None:
    async with served() as port, connected(port) as (reader, writer):
        writer.write(GET[:-2] + b"x-long: " + b"x" * 100_000 + b"\r\n\r\n")
        assert await status(reader) == 431
    async with served() as port, connected(port) as (reader, writer):
        writer.write(GET[:-2] + b"x-long: " + b"x" * 4000 + b"\r\n\r\n")
        assert await status(reader) == 200


async def test_headers_that_are_too_many_are_refused() -> None:
    async with served(header_bytes=65_536) as port, connected(port) as (reader, writer):
        writer.write(GET[:-2] + b"a: b\r\n" * 1000 + b"\r\n")
        assert await status(reader) == 431


async def test_what_is_not_http_is_refused() -> None:
    async with served() as port, connected(port) as (reader, writer):
        writer.write(b"\x16\x03\x01\x00\xee junk\r\n\r\n")
        assert await status(reader) == 400


async def test_a_body_that_trickles_is_refused_in_time_however_many_bytes_come() -> None:
    async with served() as port, connected(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: bridge\r\ncontent-length: 900\r\n\r\n")

        async def trickle() -> None:
            while True:
                writer.write(b" ")
                await asyncio.sleep(BODY_SECONDS / 10)

        trickling = asyncio.create_task(trickle())
        assert await status(reader) == 408
        trickling.cancel()


async def test_connections_beyond_the_bound_wait_until_one_ends() -> None:
    async with served(connections=2) as port, AsyncExitStack() as held:
        first = await held.enter_async_context(connected(port))
        second = await held.enter_async_context(connected(port))
        for reader, writer in (first, second):
            writer.write(GET)
            assert await status(reader) == 200
        async with connected(port) as (reader, writer):
            writer.write(GET)
            waiting = asyncio.create_task(status(reader))
            first[1].write(GET)
            assert await status(first[0]) == 200
            assert not waiting.done()
            second[1].close()
            assert await waiting == 200
