"""What the file server answers.

/files/NAME                    a good file: built in, added with `add`, or from --folder
/status/CODE[?retry-after=S]   that status
/expired/s3 /expired/cloudfront /forbidden    403 as vendors say it
/drip[?seconds=S]              a byte each S seconds, for ever      /drip-headers   the same in the headers
/stall                         headers and half a file, then nothing       /silent   nothing at all
/stall-once                    the same the first time, then the photo
/endless                       zeros without a length                      /too-large  26 MB announced
/redirect/N                    N redirects, then photo.png                 /redirect-loop  /redirect-for-ever
/redirect-to?url=URL           there
/gzip-bomb                     26 KB of gzip, 25 MiB of zeros              /gzip   photo.png, encoded
/truncated                     half of what Content-Length says            /truncated-chunk
/more-than-announced           twice of what Content-Length says
/empty  /no-content  /chunked  /no-length  /garbage  /html.png
"""

import asyncio
import gzip
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from PIL import Image

TYPES: Final = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
BIG_BYTES: Final = 27_262_976  # 26 MB, one more than Genesys allows
FOR_EVER_SECONDS: Final = 3600  # a timer also keeps the waiting task from being garbage
S3_EXPIRED: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message>'
    b"<X-Amz-Expires>600</X-Amz-Expires></Error>"
)
CLOUDFRONT_EXPIRED: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>'
)


@dataclass(frozen=True)
class Request:
    """What a client asked; header names in lower case."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Files:
    """What the server has to give, and whom it gave it to."""

    contents: dict[str, tuple[bytes, str]]
    folder: Path | None = None
    requests: list[Request] = field(default_factory=list)

    def find(self, name: str) -> tuple[bytes, str] | None:
        if name in self.contents:
            return self.contents[name]
        path = self.folder / Path(name).name if self.folder else None
        return (path.read_bytes(), content_type(name)) if path and path.is_file() else None


Answer = Callable[[Request, asyncio.StreamWriter, Files], Awaitable[None]]


def content_type(name: str) -> str:
    return TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


def good_files() -> dict[str, tuple[bytes, str]]:
    """Make one small picture in each of the common formats."""
    picture = Image.linear_gradient("L").convert("RGB").resize((640, 480))
    contents = {}
    for suffix in ("png", "jpg", "gif", "webp", "bmp", "tiff", "pdf"):
        out = io.BytesIO()
        picture.save(out, format={"jpg": "JPEG"}.get(suffix, suffix.upper()))
        contents[f"photo.{suffix}"] = (out.getvalue(), TYPES[f".{suffix}"])
    return contents


def head(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Whatever", "Connection: close", *headers, "", ""]).encode("latin-1")


def whole(status: int, body: bytes, kind: str = "text/plain", *headers: str) -> bytes:
    return head(status, f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers) + body


def photo(files: Files) -> bytes:
    return files.contents["photo.png"][0]


async def answer(request: Request, writer: asyncio.StreamWriter, files: Files) -> None:
    """Route a request to its behaviour."""
    first, _, rest = request.path.strip("/").partition("/")
    if first == "files":
        found = files.find(rest)
        writer.write(whole(200, *found) if found else whole(404, b"no such file"))
    elif first == "status":
        retry = request.query.get("retry-after")
        writer.write(whole(int(rest), b"as asked", "text/plain", *([f"Retry-After: {retry}"] if retry else [])))
    elif first == "redirect":
        left = int(rest)
        writer.write(moved(f"/redirect/{left - 1}" if left > 1 else "/files/photo.png"))
    elif request.path in BEHAVIOURS:
        await BEHAVIOURS[request.path](request, writer, files)
    elif request.path in FIXED:
        writer.write(FIXED[request.path](files))
    else:
        writer.write(whole(404, b"no such behaviour"))
    await writer.drain()


def moved(location: str) -> bytes:
    return whole(302, b"elsewhere", "text/plain", f"Location: {location}")


def gzip_bomb(_: Files) -> bytes:
    return whole(200, gzip.compress(bytes(BIG_BYTES)), "image/png", "Content-Encoding: gzip")


FIXED: Final[dict[str, Callable[[Files], bytes]]] = {
    "/expired/s3": lambda _: whole(403, S3_EXPIRED, "application/xml"),
    "/expired/cloudfront": lambda _: whole(403, CLOUDFRONT_EXPIRED, "text/xml"),
    "/forbidden": lambda _: whole(403, b"no"),
    "/too-large": lambda _: head(200, "Content-Type: image/png", f"Content-Length: {BIG_BYTES}"),
    "/redirect-loop": lambda _: moved("/redirect-loop-back"),
    "/redirect-loop-back": lambda _: moved("/redirect-loop"),
    "/redirect-nowhere": lambda _: whole(302, b"lost"),
    "/gzip-bomb": gzip_bomb,
    "/gzip": lambda files: whole(200, gzip.compress(photo(files)), "image/png", "Content-Encoding: gzip"),
    "/truncated": lambda files: whole(200, photo(files), "image/png")[: -len(photo(files)) // 2],
    "/truncated-chunk": lambda _: head(200, "Transfer-Encoding: chunked") + b"400\r\nonly this",
    "/more-than-announced": lambda files: whole(200, photo(files), "image/png") + photo(files),
    "/empty": lambda _: whole(200, b"", "image/png"),
    "/no-content": lambda _: head(204),
    "/chunked": lambda files: (
        head(200, "Content-Type: image/png", "Transfer-Encoding: chunked") + chunked(photo(files))
    ),
    "/no-length": lambda files: head(200, "Content-Type: image/png") + photo(files),
    "/garbage": lambda _: b"\x16\x03\x01 this is not HTTP\r\n\r\n",
    "/html.png": lambda _: whole(200, b"<!doctype html><title>Sign in</title>", "image/png"),
}


def chunked(body: bytes) -> bytes:
    parts = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


async def drip(request: Request, writer: asyncio.StreamWriter, _: Files) -> None:
    writer.write(head(200, "Content-Type: image/png", "Content-Length: 1000000"))
    await _for_ever(writer, b"x", float(request.query.get("seconds", "0.05")))


async def drip_headers(request: Request, writer: asyncio.StreamWriter, _: Files) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    await _for_ever(writer, b"x", float(request.query.get("seconds", "0.05")))


async def stall(_: Request, writer: asyncio.StreamWriter, files: Files) -> None:
    body = photo(files)
    writer.write(whole(200, body, "image/png")[: -len(body) // 2])
    await writer.drain()
    await asyncio.sleep(FOR_EVER_SECONDS)


async def stall_once(request: Request, writer: asyncio.StreamWriter, files: Files) -> None:
    if sum(earlier.path == request.path for earlier in files.requests) == 1:  # this one
        await stall(request, writer, files)
    writer.write(whole(200, photo(files), "image/png"))


async def silent(_: Request, __: asyncio.StreamWriter, ___: Files) -> None:
    await asyncio.sleep(FOR_EVER_SECONDS)


async def endless(_: Request, writer: asyncio.StreamWriter, __: Files) -> None:
    writer.write(head(200, "Content-Type: image/png"))
    await _for_ever(writer, bytes(65536), 0)


async def redirect_to(request: Request, writer: asyncio.StreamWriter, _: Files) -> None:
    writer.write(moved(request.query["url"]))


async def redirect_for_ever(request: Request, writer: asyncio.StreamWriter, _: Files) -> None:
    writer.write(moved(f"/redirect-for-ever?n={int(request.query.get('n', '0')) + 1}"))


async def _for_ever(writer: asyncio.StreamWriter, piece: bytes, seconds: float) -> None:
    while not writer.is_closing():
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(seconds)


BEHAVIOURS: Final[dict[str, Answer]] = {
    "/drip": drip,
    "/drip-headers": drip_headers,
    "/stall": stall,
    "/stall-once": stall_once,
    "/silent": silent,
    "/endless": endless,
    "/redirect-to": redirect_to,
    "/redirect-for-ever": redirect_for_ever,
}


def parsed(text: bytes) -> Request:
    first, *lines = text.decode("latin-1").split("\r\n")
    url = urlsplit(first.split(" ")[1])
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    return Request(unquote(url.path), {name: values[0] for name, values in parse_qs(url.query).items()}, headers)
