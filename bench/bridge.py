"""How many webhooks a running bridge acknowledges: python -m bench.bridge http://127.0.0.1:8080

Kept-alive connections post different files one after another; each answer must be 202, so each counted request has
been acknowledged by Kafka. Prints one JSON object.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PATH = "/webhooks/genesys/attachments"


@dataclass
class Tally:
    latencies_seconds: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)


def request(host: str, number: int) -> bytes:
    data = {
        "conversationId": f"conversation-{number % 1000}",
        "attachmentUrl": f"https://files.example.com/{time.time_ns()}/{number}.png",
        "fileName": f"photo-{number}.png",
        "mimeType": "image/png",
    }
    body = json.dumps({"event": "webchat:attachment", "data": data}).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(line.split(":")[1] for line in head.lower().splitlines() if line.startswith("content-length:"))
    await reader.readexactly(int(length))
    return head.split()[1]


async def sender(host: str, port: int, first: int, until: float, tally: Tally) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    number = first
    while (started_at := time.perf_counter()) < until:
        writer.write(request(host, number))
        status = await answer(reader)
        tally.latencies_seconds.append(time.perf_counter() - started_at)
        tally.statuses[status] = tally.statuses.get(status, 0) + 1
        number += 1
    writer.close()


async def load(url: str, connections: int, seconds: float) -> dict[str, object]:
    parts = urlsplit(url)
    tally = Tally()
    until = time.perf_counter() + seconds
    senders = (sender(parts.hostname or "", parts.port or 80, n * 10**7, until, tally) for n in range(connections))
    await asyncio.gather(*senders)
    percentiles = statistics.quantiles(tally.latencies_seconds, n=100)
    return {
        "connections": connections,
        "requests_per_second": round(len(tally.latencies_seconds) / seconds),
        "p50_ms": round(percentiles[49] * 1000, 1),
        "p99_ms": round(percentiles[98] * 1000, 1),
        "statuses": tally.statuses,
    }


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("url")
    options.add_argument("--connections", type=int, default=64)
    options.add_argument("--seconds", type=float, default=5)
    given = options.parse_args()
    measured = asyncio.run(load(given.url, given.connections, given.seconds))
    print(json.dumps(measured))
    return 0 if set(measured["statuses"]) == {"202"} else 1  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
