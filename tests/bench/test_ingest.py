import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.ingest.__main__ import Figures
from bench.ingest.contestants import NO_KAFKA, OURS, TUNED, TUTORIAL
from bench.ingest.load import EVENT_BYTES, BrokenAnswerError, Load, Requests


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def test_requests_are_events_of_one_kilobyte_that_all_differ() -> None:
    requests = Requests("127.0.0.1:1")
    first, second = body_of(requests.numbered(1)), body_of(requests.numbered(2))
    assert len(first) == len(second) == EVENT_BYTES
    assert json.loads(first)["data"]["attachmentUrl"] != json.loads(second)["data"]["attachmentUrl"]
    assert json.loads(first)["event"] == "webchat:attachment"


@contextmanager
def answering(status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("status", [202, 503])
def test_every_answer_is_counted_by_its_status(status: int) -> None:
    with answering(status) as url, Load(url, connections=4, first=0) as load:
        assert load.closed_loop(count=50) > 0
        assert load.tally.statuses == {str(status): 50}
        assert len(load.tally.latencies_seconds) == 50


def test_an_open_loop_sends_as_many_as_were_asked_for() -> None:
    with answering(202) as url, Load(url, connections=4, first=0) as load:
        load.open_loop(seconds=0.2, per_second=100)
        assert load.tally.statuses == {"202": 20}


def test_a_connection_that_is_closed_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        load = Load(f"http://127.0.0.1:{server.getsockname()[1]}", connections=1, first=0)
        server.accept()[0].close()
    with load, pytest.raises((BrokenAnswerError, OSError)):
        load.closed_loop(count=1)


def test_ratios_are_taken_within_a_round() -> None:
    rounds = [
        {OURS: 30.0, TUTORIAL: 10.0, TUNED: 20.0, NO_KAFKA: 60.0},
        {OURS: 6.0, TUTORIAL: 3.0, TUNED: 6.0, NO_KAFKA: 6.0},
    ]
    figures = Figures(
        rounds=rounds, p50_ms_at_half=1, p99_ms_at_half=2.04, half_per_second=15, rss=(100, 104), rss_events=20_000
    )
    assert figures.line() == {
        "acked_per_second": 18,
        "ratio_vs_tutorial": 2.5,
        "ratio_vs_no_kafka": 0.75,
        "p99_ms_at_half": 2.0,
        "ratio_vs_tuned_tutorial": 1.25,
        "rss_ratio": 1.04,
        "rss_events": 20_000,
    }
