"""What the sender of a request did wrong, and whether trying again can help."""

import math

Header = tuple[bytes, bytes]


class RefusedRequestError(Exception):
    """A request that is answered with an HTTP error, and with these headers beside the usual ones.

    `code` is stable and stands in docs/webhook.md; `message` is for the sender's engineers and quotes no secret.
    """

    def __init__(self, status: int, code: str, message: str, *headers: Header) -> None:
        super().__init__(status, code, message, *headers)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def retry_after(seconds: float) -> Header:
    """Return the header that asks to wait; whole seconds, at least one."""
    return (b"retry-after", b"%d" % max(1, math.ceil(seconds)))
