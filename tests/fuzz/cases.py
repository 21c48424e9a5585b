"""What is sent over one connection: good requests with odd bodies, odd requests, and lies about where one ends.

A case is made from its seed alone. After what it sends comes a canary, a good request that asks for the end of the
connection; so the end is seen without waiting for a silence.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from stream.arrival import EventSource
from stream.bridge.intake import PATHS
from tests.fuzz import heads, payloads, proofs

SMUGGLED: Final = "smuggled"
FORBIDDEN: Final = "forbidden"
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Case:
    """The pieces to be sent, each after the pause before it; `requests` is how many requests they hold.

    `asked` are the ids of requests that are well-formed as HTTP: the first must be answered, whatever its body is.
    `leaves` closes the connection at once, without reading answers.
    """

    kind: str
    pieces: Sequence[bytes]
    requests: int = 1
    asked: Sequence[str] = ()
    pause_seconds: float = 0.0
    leaves: bool = False


def request(path: str, body: bytes, headers: Headers, method: bytes = b"POST") -> bytes:
    """Return one request with its length."""
    lines = [b"%b %b HTTP/1.1" % (method, path.encode()), b"Host: bridge", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, *(b"%b: %b" % pair for pair in headers), b"", body])


def case(number: int, seed: int, now: float) -> Case:
    """Return one case; `now` is Unix time, for signatures."""
    random = Random(f"{seed}/{number}")
    (make,) = random.choices([maker for maker, _ in MAKERS], [weight for _, weight in MAKERS])
    return make(f"fuzz-{seed}-{number}", random, now)


def _webhook(name: str, random: Random, now: float) -> bytes:
    source = random.choice(list(EventSource))
    kind = random.choice(list(EventSource)) if source is EventSource.TUTORIAL or random.random() < 0.1 else source
    is_stranger = source is not EventSource.TUTORIAL and random.random() < 0.15
    body = payloads.body(kind, f"{FORBIDDEN}-{name}" if is_stranger else name, random)
    proof = proofs.wrong(source, body, now, random) if is_stranger else proofs.proof(source, body, now)
    odd = [random.choice(heads.ODD_HEADERS)] if random.random() < 0.2 else []
    kinds = [(b"Content-Type", b"application/json"), (b"content-type", b"application/cloudevents+json; charset=utf-8")]
    return request(PATHS[source], body, [(b"X-Request-Id", name.encode()), random.choice(kinds), *proof, *odd])


def _bodies(name: str, random: Random, now: float) -> Case:
    names = [f"{name}-{part}" for part in range(random.choice((1, 1, 2, 4, 8)))]
    text = b"".join(_webhook(each, random, now) for each in names)
    cut = random.randrange(len(text))
    pieces = [text] if random.random() < 0.8 else [text[:cut], text[cut:]]
    return Case("bodies", pieces, len(names), names)


def _paths(name: str, random: Random, _now: float) -> Case:
    head = heads.odd_target(random)
    return Case(
        "paths", [b"%b\r\nHost: bridge\r\nX-Request-Id: %b\r\nContent-Length: 0\r\n\r\n" % (head, name.encode())]
    )


def _heads(name: str, random: Random, _now: float) -> Case:
    return Case("heads", [heads.odd_head(random, name.encode())])


def _chunked(name: str, random: Random, _now: float) -> Case:
    body = payloads.body(EventSource.TUTORIAL, name, random)
    return Case("chunked", [heads.chunked(random, PATHS[EventSource.TUTORIAL], name.encode(), body)])


def _smuggling(name: str, random: Random, _now: float) -> Case:
    inner = request(
        PATHS[EventSource.TUTORIAL],
        json.dumps(payloads.payload(EventSource.TUTORIAL, f"{SMUGGLED}-{name}")).encode(),
        [(b"X-Request-Id", f"{SMUGGLED}-{name}".encode())],
    )
    return Case("smuggling", [heads.smuggling(random, PATHS[EventSource.TUTORIAL], name.encode(), inner)], 2)


def _leaving(name: str, random: Random, now: float) -> Case:
    text = _webhook(name, random, now)
    return Case("leaving", [text[: random.randrange(1, len(text) + 1)]], leaves=True)


def _slow(name: str, random: Random, now: float) -> Case:
    text = _webhook(name, random, now)
    size = max(1, len(text) // random.choice((2, 5, 20)))
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return Case("slow", pieces, pause_seconds=random.choice((0.01, 0.1, 0.3)))


def _large(name: str, random: Random, _now: float) -> Case:
    size = random.choice((1_000_000, 1_048_576, 1_048_577, 3_000_000))
    body = b'{"event":"' + b"x" * (size - 12) + b'"}'
    expects = [(b"Expect", b"100-continue")] if random.random() < 0.3 else []
    return Case("large", [request(PATHS[EventSource.TUTORIAL], body, [(b"X-Request-Id", name.encode()), *expects])])


def _garbage(_name: str, random: Random, _now: float) -> Case:
    return Case("garbage", [random.choice(heads.OTHER_PROTOCOLS) + random.randbytes(random.choice((0, 10, 1000)))])


MAKERS: Final[Sequence[tuple[Callable[[str, Random, float], Case], float]]] = (
    (_bodies, 0.60),
    (_paths, 0.08),
    (_heads, 0.10),
    (_chunked, 0.07),
    (_smuggling, 0.06),
    (_leaving, 0.05),
    (_garbage, 0.02),
    (_slow, 0.015),
    (_large, 0.005),
)
