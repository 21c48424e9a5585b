"""Which chunks a PNG holds, without reading the picture in between (PNG specification, third edition, section 5.3)."""

from collections.abc import Iterator
from typing import Final

SIGNATURE_BYTES: Final = 8
AROUND_BODY_BYTES: Final = 12  # length and name before it, checksum after it
TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# EXIF as old ImageMagick wrote it, XMP.
TEXTS_THAT_TURN: Final = (b"Raw profile type exif", b"tiff:Orientation")


def may_be_turned(payload: bytes) -> bool:
    """Tell whether a PNG holds anything that may say which side is up; it may stand behind the picture."""
    for name, start, end in chunks(payload):
        if name == b"eXIf" or (name in TEXTS and any(payload.find(mark, start, end) >= 0 for mark in TEXTS_THAT_TURN)):
            return True
    return False


def chunks(payload: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's name and where its body begins and ends; a broken file ends early."""
    at = SIGNATURE_BYTES
    while at + AROUND_BODY_BYTES <= len(payload):
        start = at + 8
        end = start + int.from_bytes(payload[at : at + 4], "big")
        yield payload[at + 4 : start], start, end
        at = end + 4
