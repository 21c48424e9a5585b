"""A few bytes of text that stand in for a preview until it is loaded.

A ThumbHash (https://evanw.github.io/thumbhash) is a score of bytes, of which a page draws a blur in the right colours;
a data URI is a picture of a few pixels that needs no script, at ten times the length.
"""

import math
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import Final, Literal, NamedTuple

from PIL import Image

THUMBHASH_EDGE_PX: Final = 32
DATA_URI_EDGE_PX: Final = 16
DATA_URI_QUALITY: Final = 40
MOST_CHARACTERS: Final = 1_000


class Channel(NamedTuple):
    """The mean of a channel, its frequencies from 0 to 1, and the largest of them."""

    mean: float
    frequencies: Sequence[float]
    scale: float


def glimpse_of(image: Image.Image, kind: Literal["none", "thumbhash", "data_uri"]) -> str:
    """Return the text of the kind asked for: base64 of a ThumbHash, or a data URI."""
    if kind == "thumbhash":
        return b64encode(thumbhash(_small(image, THUMBHASH_EDGE_PX))).decode()
    if kind == "data_uri":
        return _data_uri(_small(image, DATA_URI_EDGE_PX))
    return ""


def thumbhash(image: Image.Image) -> bytes:
    """Return the ThumbHash of a picture of at most 100 pixels a side."""
    width, height = image.size
    data = [value / 255 for value in image.convert("RGBA").tobytes()]
    pixels = [data[at : at + 4] for at in range(0, len(data), 4)]
    total = sum(alpha for *_, alpha in pixels)
    average = [sum(pixel[at] * pixel[3] for pixel in pixels) / total if total else 0.0 for at in range(3)]
    planes = _planes(pixels, average)
    translucent = total < width * height - 1e-6
    longest, most = max(width, height), 5 if translucent else 7
    across, down = max(1, round(most * width / longest)), max(1, round(most * height / longest))
    luma = _channel(planes[0], image.size, max(3, across), max(3, down))
    yellow, red = _channel(planes[1], image.size, 3, 3), _channel(planes[2], image.size, 3, 3)
    landscape = width > height
    head = round(63 * luma.mean) | round(31.5 + 31.5 * yellow.mean) << 6 | round(31.5 + 31.5 * red.mean) << 12
    head |= round(31 * luma.scale) << 18 | translucent << 23
    more = (
        (down if landscape else across) | round(63 * yellow.scale) << 3 | round(63 * red.scale) << 9 | landscape << 15
    )
    result = head.to_bytes(3, "little") + more.to_bytes(2, "little")
    frequencies = [*luma.frequencies, *yellow.frequencies, *red.frequencies]
    if translucent:
        alpha = _channel(planes[3], image.size, 5, 5)
        result += bytes((round(15 * alpha.mean) | round(15 * alpha.scale) << 4,))
        frequencies += alpha.frequencies
    return result + _nibbles([round(15 * value) for value in frequencies])


def _planes(pixels: Sequence[Sequence[float]], average: Sequence[float]) -> Sequence[Sequence[float]]:
    """Return luma, yellow against blue, red against green, and alpha, where the picture lies on its average."""
    planes: tuple[list[float], ...] = ([], [], [], [])
    for *colour, alpha in pixels:
        red, green, blue = (mean * (1 - alpha) + value * alpha for mean, value in zip(average, colour, strict=True))
        values = ((red + green + blue) / 3, (red + green) / 2 - blue, red - green, alpha)
        for plane, value in zip(planes, values, strict=True):
            plane.append(value)
    return planes


def _channel(plane: Sequence[float], size_px: tuple[int, int], across: int, down: int) -> Channel:
    """Take the low frequencies of a channel, above the diagonal (a cosine transform, columns after rows)."""
    width, height = size_px
    waves = [_wave(frequency, width) for frequency in range(across)]
    rows = [plane[at : at + width] for at in range(0, width * height, width)]
    mixed = [[sum(map(float.__mul__, row, wave)) for row in rows] for wave in waves]
    found = []
    for y in range(down):
        wave = _wave(y, height)
        found += [
            sum(map(float.__mul__, mixed[x], wave)) / (width * height)
            for x in range(across)
            if x * down < across * (down - y)
        ]
    mean, *rest = found
    scale = max(map(abs, rest), default=0.0)
    return Channel(mean, [0.5 + 0.5 / scale * value for value in rest] if scale else rest, scale)


def _wave(frequency: int, length: int) -> list[float]:
    return [math.cos(math.pi / length * frequency * (at + 0.5)) for at in range(length)]


def _nibbles(values: Sequence[int]) -> bytes:
    padded = [*values, 0]
    return bytes(padded[at] | padded[at + 1] << 4 for at in range(0, len(values), 2))


def _data_uri(image: Image.Image) -> str:
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=DATA_URI_QUALITY, icc_profile=b"", exif=b"", xmp=b"")
    return f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}"


def _small(image: Image.Image, edge_px: int) -> Image.Image:
    small = image.copy()
    small.thumbnail((edge_px, edge_px), Image.Resampling.BOX)
    return small
