"""An S3 server that deletes one object a request, as some gateways to other storages."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ParamSpec, TypeVar

from minio import Minio

from agents.storage import S3Store
from agents.storage.threads import StorageThreads

P = ParamSpec("P")
T = TypeVar("T")

NOT_IMPLEMENTED = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>NotImplemented</Code><Message>no</Message></Error>'
)


class CountedThreads(StorageThreads):
    """Counts calls, each of which has a deadline of its own."""

    calls = 0

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.calls += 1
        return await super().call(function, *args, **kwargs)


@contextmanager
def gateway(deleted: list[str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(501, NOT_IMPLEMENTED)

        def do_DELETE(self) -> None:
            deleted.append(self.path.removeprefix("/previews/"))
            self.reply(204, b"")

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever, 0.01)
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_each_of_many_objects_has_a_deadline_of_its_own_where_the_server_deletes_them_one_by_one() -> None:
    deleted: list[str] = []
    threads = CountedThreads(4, 10.0)
    with gateway(deleted) as address:
        client = Minio(address, access_key="key", secret_key="secret", region="us-east-1", secure=False)
        store = S3Store(client, bucket="previews", threads=threads)
        keys = [f"c/{number}.webp" for number in range(9)]
        await store.delete(keys)
        await store.close()
    assert sorted(deleted) == keys
    assert threads.calls == 1 + len(keys)
