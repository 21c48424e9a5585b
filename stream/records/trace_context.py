"""W3C Trace Context: which trace a record belongs to (https://www.w3.org/TR/trace-context/)."""

import re
from collections.abc import Mapping
from typing import Final

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
MAX_MEMBERS: Final = 32  # section 3.3.1.1
MAX_TRACESTATE: Final = 512  # section 3.3.1.5: what must be carried on; we carry no more
MAX_TRACEPARENT: Final = 256

# Section 3.2.2; a later version may be longer, and is carried on as it came.
_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?"
)
_MEMBER: Final = re.compile(
    r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


def trace_headers(traceparent: str, tracestate: str = "") -> list[tuple[str, bytes]]:
    """Return the headers of the trace, none where traceparent is not one; a malformed tracestate is left out alone."""
    if not _is_traceparent(traceparent):
        return []
    headers = [(TRACEPARENT, traceparent.encode())]
    return [*headers, (TRACESTATE, tracestate.encode())] if _is_tracestate(tracestate) else headers


def trace_of(headers: Mapping[str, bytes]) -> tuple[str, str]:
    """Return the traceparent and tracestate of a record, unchecked; empty where there are none."""
    if TRACEPARENT not in headers:
        return "", ""
    return headers[TRACEPARENT].decode(errors="replace"), headers.get(TRACESTATE, b"").decode(errors="replace")


def _is_traceparent(text: str) -> bool:
    found = _TRACEPARENT.fullmatch(text) if len(text) <= MAX_TRACEPARENT else None
    return found is not None and (found[1] != "00" or found[2] is None)


def _is_tracestate(text: str) -> bool:
    members = [member.strip(" \t") for member in text.split(",")] if text else []
    filled = [member for member in members if member]  # section 3.3.1.1 lets members be empty
    if not filled or len(text) > MAX_TRACESTATE or len(members) > MAX_MEMBERS:
        return False
    return all(_MEMBER.fullmatch(member) for member in filled)
