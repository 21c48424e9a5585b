"""The scans of a large progressive JPEG that show at an eighth of its size; all others need not be decoded.

At that scale the decoder uses of each luma block its mean alone (the DC coefficient), and of chroma that is stored at
half the size, four low frequencies. So a copy without the other scans decodes to nearly the same picture, in a fifth
of the time. Source: ITU-T T.81, annexes B and G; jdmaster.c of libjpeg-turbo for what is used at which scale.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

SCALE: Final = 8
START: Final = b"\xff\xd8"
END: Final = b"\xff\xd9"
PROGRESSIVE_FRAME: Final = 0xC2
TABLES_OF_QUANTISATION: Final = 0xDB
SCAN: Final = 0xDA
END_OF_IMAGE: Final = 0xD9
# Within a scan, 0xFF is followed by a zero, by a restart marker or by fill; anything else is the next marker.
NEXT_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
MOST_SEGMENTS: Final = 1_000  # cameras write a dozen
DIAGONAL_AT: Final = 9  # marker, length, which table, then the fifth value in zigzag order


class Segment(NamedTuple):
    """A marker with what belongs to it; a scan's entropy-coded data included."""

    marker: int
    body: bytes
    data: bytes


def without_detail(payload: bytes) -> bytes | None:
    """Return the part of a progressive JPEG that is needed at an eighth of its size.

    None when the file is not progressive, not complete, or not built as expected.
    """
    kept, subsampled = [START], frozenset[int]()
    try:
        for segment in _segments(payload):
            if segment.marker == PROGRESSIVE_FRAME:
                subsampled = _subsampled(segment.body)
            if segment.marker != SCAN or _shows(segment.body, subsampled):
                kept.append(_without_smoothing(segment))
    except (IndexError, ValueError):
        return None
    return b"".join((*kept, END))


def _segments(payload: bytes) -> Iterator[Segment]:
    """Walk to the end of the image; raises ValueError when there is none."""
    at = len(START)
    for _ in range(MOST_SEGMENTS):
        if payload[at] != END[0]:
            raise ValueError("no marker where one must be")
        if payload[at + 1] == END_OF_IMAGE:
            return
        end = at + 2 + int.from_bytes(payload[at + 2 : at + 4], "big")
        body = payload[at + 4 : end]
        marker = payload[at + 1]
        if marker == SCAN:
            following = NEXT_MARKER.search(payload, end)
            if following is None:
                raise ValueError("broken off within a scan")
            end = following.start()
        yield Segment(marker, body, payload[at:end])
        at = end
    raise ValueError("too many segments")


def _subsampled(frame: bytes) -> frozenset[int]:
    """Return the components that are stored smaller than the largest (T.81, B.2.2)."""
    components = [(frame[at], frame[at + 1]) for at in range(6, 6 + 3 * frame[5], 3)]
    largest = max(sampling for _, sampling in components)
    return frozenset(component for component, sampling in components if sampling != largest)


def _shows(scan: bytes, subsampled: frozenset[int]) -> bool:
    """Tell whether a scan holds means, or the first bits of a smaller component's frequencies (T.81, B.2.3)."""
    first, last, approximation = scan[-3:]
    if first == last == 0:
        return True
    refines = approximation >> 4 != 0
    return scan[1] in subsampled and not refines


def _without_smoothing(segment: Segment) -> bytes:
    """Keep the decoder from guessing the frequencies that are left out, and the means along with them.

    It does so only where all low frequencies have a step of quantisation (smoothing_ok in jdcoefct.c), and here one
    that is not used gets none.
    """
    if segment.marker != TABLES_OF_QUANTISATION or segment.body[0] != 0:
        return segment.data
    return segment.data[:DIAGONAL_AT] + b"\0" + segment.data[DIAGONAL_AT + 1 :]
