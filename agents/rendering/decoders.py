"""From a picture that is opened but not decoded to a small one: for each format the cheapest route that was measured.

The figures are in docs/rendering.md.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image, Jpeg2KImagePlugin, JpegImagePlugin

from agents.rendering import colour, progressive, vips
from agents.rendering.picture import fitted, resampled, shrunk
from agents.rendering.sniff import FileType

JPEG_GAP: Final = 1.3
"""How much larger than the preview the decoder's picture must be, for Lanczos to do the rest."""
LEAST_GAP: Final = 1.15
"""The same for progressive files, where a larger picture costs five times as much: 38 dB there, more above."""
REDUCING_GAP: Final = 2.0
WAVELET_GAP: Final = 3.0
CODESTREAM: Final = b"\xff\x4f\xff\x51"  # JPEG 2000, ITU-T T.800, A.4.1 and A.5.1
CODING_STYLE: Final = b"\xff\x52"  # A.6.1: marker COD, whose tenth byte counts the levels
LEVELS_AFTER: Final = 9


@dataclass(frozen=True)
class Small:
    """A picture of preview size, still in its own colours and not yet upright; and who made it."""

    image: Image.Image
    engine: str


def small(image: Image.Image, payload: bytes, file_type: FileType, edge_px: int) -> Small:
    """Decode and shrink; raises whatever Pillow and its plugins raise."""
    quick = vips.shrunk(image, payload, file_type, edge_px)
    if quick is not None:
        return Small(quick, "libvips")
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        return _light_jpeg(image, payload, edge_px) or Small(_jpeg(image, edge_px), "pillow")
    return thorough(image, payload, file_type, edge_px)


def thorough(image: Image.Image, payload: bytes, file_type: FileType, edge_px: int) -> Small:
    """Decode with Pillow, with no short cut that a damaged file would lead astray."""
    engine = "pillow"
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        return Small(_jpeg(image, edge_px), engine)
    if isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        image.reduce = _halvings(image.size, payload, edge_px)
    elif file_type is FileType.HEIC and image.draft(None, fitted(image.size, edge_px)) is not None:
        engine = "pillow-heif thumbnail"
    elif file_type is FileType.HEIC:
        engine = "pillow-heif"
    image.load()
    return Small(shrunk(colour.resizable(image), edge_px, REDUCING_GAP), engine)


def _jpeg(image: JpegImagePlugin.JpegImageFile, edge_px: int) -> Image.Image:
    size_px = fitted(image.size, edge_px)
    drafted = image.draft(None, fitted(image.size, round(edge_px * JPEG_GAP)))
    box = (0.0, 0.0, *image.size) if drafted is None else drafted[1]
    image.load()
    return resampled(colour.resizable(image), size_px, box, JPEG_GAP)


def _light_jpeg(image: JpegImagePlugin.JpegImageFile, payload: bytes, edge_px: int) -> Small | None:
    """Decode the few scans of a large progressive file that show in a preview; None where that is not possible."""
    if "progressive" not in image.info or max(image.size) < progressive.SCALE * edge_px * LEAST_GAP:
        return None
    light = progressive.without_detail(payload)
    if light is None:
        return None
    with Image.open(BytesIO(light), formats=["JPEG"]) as opened:
        width, height = opened.size
        opened.draft(None, (width // progressive.SCALE, height // progressive.SCALE))
        opened.load()
        box = (0.0, 0.0, width / progressive.SCALE, height / progressive.SCALE)
        return Small(resampled(colour.resizable(opened), fitted(image.size, edge_px), box, JPEG_GAP), "pillow dc scans")


def _halvings(size_px: tuple[int, int], payload: bytes, edge_px: int) -> int:
    """Return how often a wavelet picture may be halved: it must have the levels and stay larger by the gap."""
    coding_style_at = payload.find(CODING_STYLE, payload.find(CODESTREAM))
    levels = payload[coding_style_at + LEVELS_AFTER] if 0 <= coding_style_at < len(payload) - LEVELS_AFTER else 0
    wanted = int(max(size_px) / (edge_px * WAVELET_GAP)).bit_length() - 1
    return max(0, min(levels, wanted))
