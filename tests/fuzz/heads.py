"""Request lines and headers that are wrong, odd, or lie about where the body ends."""

from random import Random
from typing import Final

LINE: Final = b"\r\n"
ODD_HEADERS: Final = (
    (b"X-Request-Id", b'"}\\n{"level":"error"'),
    (b"X-Request-Id", b"\xff\xfe"),
    (b"X-Request-Id", b"x" * 5000),
    (b"traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"),
    (b"traceparent", b"\xff" * 600),
    (b"tracestate", b"a=" + b"b" * 600),
    (b"Content-Type", b"text/plain"),
    (b"Content-Type", b"application/json;" * 500),
    (b"Content-Encoding", b"gzip"),
    (b"Content-Encoding", b"\xff"),
    (b"Expect", b"100-continue"),
    (b"Expect", b"200-ok"),
    (b"Upgrade", b"h2c"),
    (b"Upgrade", b"websocket"),
    (b"Connection", b"close"),
    (b"Connection", b"content-length, host"),
    (b"Host", b"other"),
    (b"X-HTTP-Method-Override", b"DELETE"),
    (b"X-Empty", b""),
    (b"Cookie", b"a=b;" * 1000),
    (b"Range", b"bytes=0-0,-1"),
    (b"Accept-Encoding", b"gzip;q=nan"),
)
METHODS: Final = (
    b"GET",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"PROPFIND",
    b"post",
    b"X" * 300,
)
TARGETS: Final = (
    b"/",
    b"*",
    b"//",
    b"/webhooks/genesys/attachments",
    b"/webhooks/genesys/attachments/",
    b"/webhooks/genesys/attachments?a=b&c=%00",
    b"/webhooks/genesys/attachments#x",
    b"/webhooks/genesys/../genesys/attachments",
    b"/webhooks/genesys%2fattachments",
    b"/WEBHOOKS/genesys/attachments",
    b"http://other/webhooks/genesys/attachments",
    b"http://[::1/healthz",
    b"other:443",
    b"/healthz",
    b"/readyz?verbose",
    b"/metrics",
    b"/openapi.json",
    b"/%",
    b"/%ff%fe",
    b"/%00",
    b"/\xff\xfe",
    "/é/💣".encode(),
    b"/a\x00b",
    b"/a\tb",
    b"/a b",
    b"/" + b"a" * 8_000,
    b"/" + b"a" * 70_000,
    b"/" + b"%41" * 3_000,
    b"/etc/passwd",
    b"/..%5c..%5cwindows",
)
VERSIONS: Final = (
    b"HTTP/1.1",
    b"HTTP/1.1",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/9.9",
    b"HTTP/1.10",
    b"http/1.1",
    b"",
)
OTHER_PROTOCOLS: Final = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 100,
    b"\r\n" * 1000,
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x00\x00\x00\x17\x00\x12\x00\x03",  # Kafka's own: ApiVersions
    b"GET\r\n\r\n",
    b"\xff",
)
BAD_LINES: Final = (
    b"no colon",
    b": no name",
    b"Space : x",
    b" folded: x",
    b"Nul: a\x00b",
    b"Bare: a\rb",
    b"N\xffn-Ascii: x",
    b"Content-Length: -1",
    b"Content-Length: +1",
    b"Content-Length: 1, 2",
    b"Content-Length: 0x10",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length: \xb2",
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Host: a\r\nHost: b",
    b"Host: \xff@:x",
)


def odd_target(random: Random) -> bytes:
    """Return a request line of another method, target or version."""
    method = random.choice(METHODS) if random.random() < 0.7 else b"POST"
    return b"%b %b %b" % (method, random.choice(TARGETS), random.choice(VERSIONS))


def odd_head(random: Random, name: bytes) -> bytes:
    """Return a whole request whose headers are odd, many or large, perhaps with other ends of lines."""
    lines = [b"POST /webhooks/genesys/attachments HTTP/1.1", b"Host: bridge", b"X-Request-Id: " + name]
    lines += [b"%b: %b" % random.choice(ODD_HEADERS) for _ in range(random.choice((0, 1, 5)))]
    lines += random.choice(
        (
            [random.choice(BAD_LINES)],
            [b"X-%d: %d" % (number, number) for number in range(random.choice((50, 100, 101, 500, 5000)))],
            [b"X-Large: " + b"x" * random.choice((8_000, 60_000, 66_000, 200_000))],
            [b"x" * random.choice((10, 66_000)) + b": x"],
        )
    )
    random.shuffle(lines[1:])
    end = b"\n" if random.random() < 0.1 else LINE
    return end.join([*lines, b"Content-Length: 2", b"", b"{}"])


def chunked(random: Random, path: str, name: bytes, body: bytes) -> bytes:
    """Return a request in chunks, whose sizes, ends and trailers may be lies."""
    head = [
        b"POST %b HTTP/1.1" % path.encode(),
        b"Host: bridge",
        b"X-Request-Id: " + name,
        b"Transfer-Encoding: chunked",
    ]
    size = random.choice((1, 7, 100, 5000))
    body = body[: 500 * size]
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    text = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    end = random.choice(
        (
            b"0\r\n\r\n",
            b"0\r\n\r\n",
            b"0\r\n\r\n",
            b"0\r\nTrailer: x\r\n\r\n",
            b"0\r\nContent-Length: 5\r\n\r\n",
            b"0\r\n" + b"T: " + b"x" * 20_000 + b"\r\n\r\n",
            b"000000000000000000000000\r\n\r\n",
            b"-1\r\n\r\n",
            b"ffffffffffffffff\r\nx",
            b"fffffffffffffffff\r\nx",
            b"5\r\nabc\r\n0\r\n\r\n",
            b"3\r\nabcdef\r\n0\r\n\r\n",
            b"3;" + b"ext=" + b"x" * 30_000 + b"\r\nabc\r\n0\r\n\r\n",
            b"3\nabc\n0\n\n",
            b"0x3\r\nabc\r\n0\r\n\r\n",
            b" 3\r\nabc\r\n0\r\n\r\n",
            b"zz\r\n",
            b"",
        )
    )
    return LINE.join([*head, b"", text + end])


def smuggling(random: Random, path: str, name: bytes, inner: bytes) -> bytes:
    """Return a request that two readers end at different places, with another one behind the first of them."""
    head = [b"POST %b HTTP/1.1" % path.encode(), b"Host: bridge", b"X-Request-Id: " + name]
    length = b"Content-Length: %d" % random.choice((0, 3, 5, 5 + len(inner)))
    coding = random.choice(
        (
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding : chunked",
            b"Transfer-Encoding: xchunked",
            b"Transfer-Encoding: chunked, identity",
            b"Transfer-Encoding:\tchunked",
            b"Transfer-Encoding: \x0bchunked",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            b"X: x\nTransfer-Encoding: chunked",
            b"Content-Length: 0",
            b"Content-Length: %d" % (6 + len(inner)),
        )
    )
    both = [length, coding]
    random.shuffle(both)
    return LINE.join([*head, *both, b"", b"0\r\n\r\n" + inner])
