"""A webhook's body as JSON of a known shape, or the refusal that names what is wrong with it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from stream.messages import Attachment
from stream.refusals import RefusedRequestError

FileUrl = Annotated[str, Meta(pattern="^[hH][tT][tT][pP][sS]?://[^/]", max_length=8192)]
FileName = Annotated[str, Meta(max_length=1024)]
MimeType = Annotated[str, Meta(max_length=256)]

ShapeT = TypeVar("ShapeT")


@dataclass(frozen=True, slots=True)
class Ignored:
    """A well-formed event that brings no attachment for us; `reason` is a stable code."""

    reason: str


Found = Sequence[Attachment] | Ignored


def reader(shape: type[ShapeT]) -> Callable[[bytes], ShapeT]:
    """Return a function that decodes bodies of a shape.

    It raises RefusedRequestError: 400 when the body is not JSON, 422 when it is JSON of another shape.
    """
    decode = msgspec.json.Decoder(shape).decode

    def read(body: bytes) -> ShapeT:
        try:
            return decode(body)
        except msgspec.ValidationError as error:
            _require_json(body)  # a wrong type is found before broken syntax behind it
            raise unprocessable(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _not_json(error) from error

    return read


def unprocessable(message: str) -> RefusedRequestError:
    """Return the refusal of JSON that has another shape."""
    return RefusedRequestError(422, "wrong_shape", message)


def size_of(size_bytes: int | None) -> int | None:
    """Return a declared size, unless it is none: that must not cost the file."""
    return size_bytes if size_bytes is not None and size_bytes >= 0 else None


def mend_surrogates(body: bytes) -> bytes:
    """Replace lone surrogates, which JavaScript writes when it cuts a file name within an emoji."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    try:
        return json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace")
    except (ValueError, RecursionError):  # the reader says what is wrong with it
        return body


def _require_json(body: bytes) -> None:
    try:
        msgspec.json.decode(body)
    except msgspec.ValidationError:  # a number that is too large, which is JSON all the same
        return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from error


def _not_json(error: Exception) -> RefusedRequestError:
    return RefusedRequestError(400, "not_json", f"The body is not JSON: {error}")
