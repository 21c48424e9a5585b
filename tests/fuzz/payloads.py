"""Bodies of webhooks: those of every source, mutated, and texts that are JSON only nearly."""

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from stream.arrival import EventSource

FILE: Final = {"id": "file", "mediaType": "Image", "url": "https://files.example.com/a.png", "filename": "a.png"}
MEDIA: Final = {"id": "media", "name": "b.pdf", "mediaType": "application/pdf", "url": "https://files.example.com/b"}
LONG: Final = 70_000
LARGEST: Final = 2_000_000  # bytes of a body, more or less
ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0,
    1e308,
    2**63,
    2**64,
    -(2**200),
    "",
    " ",
    "\0",
    "\r\nX-Injected: 1",
    '","level":"error","event":"forged"}\n{"level":"error',
    "\u202e\ufeff\u2028",
    "💣" * 300,
    "x" * 257,
    "x" * LONG,
    "http://",
    "https://[::1",
    "javascript:alert(1)",
    "file:///etc/passwd",
    [],
    {},
    [[[]]],
    {"": {"": ""}},
    "webchat:attachment",
    "Receipt",
    "v2.conversations.messages",
    "channel.metadata",
)


def payload(source: EventSource, name: str) -> Any:
    """Return a good event of a source, whose ids follow a name that no other event has."""
    if source is EventSource.TUTORIAL:
        data = {"conversationId": name, "attachmentUrl": FILE["url"], "fileName": "a.png", "eventId": name}
        return {"event": "webchat:attachment", "data": data}
    if source is EventSource.OPEN_MESSAGING:
        content = [{"contentType": "Attachment", "attachment": {**FILE, "id": str(n)}} for n in range(2)]
        return {"id": name, "channel": {"id": "c"}, "type": "Text", "conversationId": name, "content": content}
    if source is EventSource.NOTIFICATIONS:
        message = {"message": {"id": name}, "messageStatus": "received", "media": [MEDIA]}
        body = {"id": name, "participants": [{"purpose": "customer", "messages": [message]}]}
        return {"topicName": "v2.routing.queues.q.conversations.messages", "version": "2", "eventBody": body}
    return {"conversationId": name, "messageId": name}


def mutated(value: Any, random: Random) -> Any:
    """Return the payload with some of its parts dropped, replaced, repeated or wrapped."""
    for _ in range(random.choice((0, 1, 1, 2, 3, 8))):
        value = _changed(value, random)
    return value


def _changed(value: Any, random: Random) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(list(value))
        return _without(value, name) if random.random() < 0.15 else {**value, name: _changed(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.8:
        if random.random() < 0.3:
            return _repeated(value, random.choice((0, 2, 20, 1200)))
        place = random.randrange(len(value))
        return [*value[:place], _changed(value[place], random), *value[place + 1 :]]
    return random.choice([*ODD, [value], {"detail": value}, _text(random)])


def _repeated(values: list[Any], times: int) -> list[Any]:
    return values * times if len(json.dumps(values)) * times < LARGEST else values


def _without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


def _text(random: Random) -> str:
    return "".join(chr(random.choice((random.randrange(32), random.randrange(0xD800)))) for _ in range(20))


def body(source: EventSource, name: str, random: Random) -> bytes:
    """Return a body in UTF-8, or in something near to it."""
    event = mutated(payload(source, name), random)
    if random.random() < 0.5:
        return json.dumps(event).encode()
    if random.random() < 0.5:
        return json.dumps(event, ensure_ascii=False).encode(errors="replace")
    return random.choice(SPOILERS)(json.dumps(event).encode(), random)


def _cut(text: bytes, random: Random) -> bytes:
    return text[: random.randrange(len(text) + 1)]


def _flipped(text: bytes, random: Random) -> bytes:
    changed = bytearray(text)
    for _ in range(random.choice((1, 1, 2, 10))):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _around(before: bytes, after: bytes = b"") -> Callable[[bytes, Random], bytes]:
    return lambda text, _: before + text + after


def _nested(text: bytes, random: Random) -> bytes:
    depth = random.choice((10, 600, 1024, 5_000, 100_000))
    opened, closed = random.choice(((b"[", b"]"), (b'{"data":', b"}"), (b'{"event":', b"")))
    return opened * depth + text + closed * depth


def _twice(text: bytes, _random: Random) -> bytes:
    return text[:-1] + b"," + text[1:] if text.startswith(b"{") and len(text) > 2 else text


def _number(text: bytes, random: Random) -> bytes:
    number = random.choice(
        (b"1e999999999", b"-0", b"9" * 50_000, b"1." + b"0" * 50_000, b"NaN", b"Infinity", b"0x1", b"01")
    )
    return b'{"contentSizeBytes":' + number + b"," + text[1:] if text.startswith(b"{") else number


def _surrogates(text: bytes, random: Random) -> bytes:
    half = random.choice((b"\\ud83d", b"\\uDC00", b"\\ud800\\ud800", b"\\u0000", b"\\udfff\\ud800", b"\\u12", b"\\x41"))
    return text.replace(b"a.png", half)


SPOILERS: Final[tuple[Callable[[bytes, Random], bytes], ...]] = (
    _cut,
    _flipped,
    _nested,
    _twice,
    _number,
    _surrogates,
    _around(b"\xef\xbb\xbf"),
    _around(b"\xff\xfe"),
    _around(b"", b"\0"),
    _around(b"", b"{}"),
    _around(b" \t\r\n" * 100),
    _around(b"", b" " * LONG),
    lambda text, _: text.decode().encode("utf-16"),
    lambda text, _: text.replace(b'"', b"'"),
    lambda text, _: text.replace(b"a.png", b"\xc3\x28\xed\xa0\x80"),
    lambda _text, random: random.randbytes(random.choice((0, 1, 10, 1000))),
)
