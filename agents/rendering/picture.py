"""A decoded picture on its way to a preview: shrunk, upright, in sRGB, encoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from agents.rendering.verdicts import Limits

ORIENTATION_TAG = 0x0112
# EXIF 2.32, table 6: what must be done to the stored picture to see it upright.
UPRIGHT: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
FIRST_SIDEWAYS_ORIENTATION = 5
PREMULTIPLIED: Mapping[str, str] = {"RGBA": "RGBa", "LA": "La"}


class Animation(NamedTuple):
    """The same picture in motion, encoded already."""

    webp: bytes
    frames: int


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A preview before it is encoded; the source's size is as displayed."""

    image: Image.Image
    source_width: int
    source_height: int
    engine: str
    partial: bool = False
    animation: Animation | None = None
    doubt: str | None = None


def fitted(size_px: tuple[int, int], edge_px: int) -> tuple[int, int]:
    """Return the largest size of the same aspect within a square; never larger than the size itself."""
    longest = max(size_px)
    if longest <= edge_px:
        return size_px
    width, height = (max(1, round(side * edge_px / longest)) for side in size_px)
    return width, height


def shrunk(image: Image.Image, edge_px: int, reducing_gap: float) -> Image.Image:
    """Resample to fit a square; colour is weighted by alpha, so that hidden pixels do not bleed in."""
    return resampled(image, fitted(image.size, edge_px), (0.0, 0.0, *image.size), reducing_gap)


def resampled(
    image: Image.Image, size_px: tuple[int, int], box: tuple[float, float, float, float], reducing_gap: float
) -> Image.Image:
    """Resample the part of a picture that `box` bounds, which need not end between two pixels."""
    if size_px == image.size:
        return image
    premultiplied = PREMULTIPLIED.get(image.mode)
    if premultiplied is None:
        return image.resize(size_px, Image.Resampling.LANCZOS, box, reducing_gap)
    small = image.convert(premultiplied).resize(size_px, Image.Resampling.LANCZOS, box, reducing_gap)
    return small.convert(image.mode)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 when there is none or it cannot be read."""
    try:
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
    except (SyntaxError, ValueError, TypeError, OSError, KeyError, IndexError):
        return 1
    return orientation if orientation in UPRIGHT else 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture as its EXIF orientation asks."""
    transposition = UPRIGHT.get(orientation)
    return image if transposition is None else image.transpose(transposition)


def displayed_size(size_px: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the size that a stored picture has once it is upright."""
    return size_px[::-1] if orientation >= FIRST_SIDEWAYS_ORIENTATION else size_px


def encoded(image: Image.Image, limits: Limits) -> bytes:
    """Encode as WebP without metadata."""
    buffer = BytesIO()
    # Without these the encoder copies profile and EXIF from the image's info.
    image.save(
        buffer, "WEBP", quality=limits.webp_quality, method=limits.webp_method, icc_profile=b"", exif=b"", xmp=b""
    )
    return buffer.getvalue()
