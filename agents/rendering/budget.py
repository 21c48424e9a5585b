"""What decoding would cost, judged from the header before a pixel is decoded."""

from collections.abc import Mapping
from typing import Final

from agents.rendering.sniff import FileType
from agents.rendering.verdicts import Limits, Unrenderable, Verdict

# Peak resident bytes for each pixel, measured by decoding 50 megapixels of each.
DECODE_BYTES_PER_PIXEL: Mapping[FileType, float] = {
    FileType.JPEG: 8.0,  # the coefficients of a progressive file are kept at full size, whatever the draft
    FileType.PNG: 8.0,
    FileType.GIF: 8.0,
    FileType.WEBP: 15.6,
    FileType.BMP: 8.0,
    FileType.TIFF: 12.0,
    FileType.AVIF: 9.2,
    FileType.HEIC: 7.3,
    FileType.ICO: 8.0,
    FileType.JPEG2000: 18.8,
}


GIF_IMAGE: Final = 0x2C
GIF_EXTENSION: Final = 0x21


def check(file_type: FileType, size_px: tuple[int, int], limits: Limits) -> None:
    """Raise Unrenderable when a picture of this size is not worth decoding.

    Of an animation this is its canvas: a still preview costs one frame, however many follow.
    """
    width, height = size_px
    pixels = width * height
    if pixels > limits.max_pixels:
        raise Unrenderable(
            Verdict.BOMB,
            f"The picture has {width} x {height} pixels, {pixels / 1e6:.0f} megapixels; "
            f"the limit is {limits.max_pixels / 1e6:.0f}.",
        )
    needed_bytes = pixels * DECODE_BYTES_PER_PIXEL[file_type]
    if needed_bytes > limits.max_decode_bytes:
        raise Unrenderable(
            Verdict.TOO_LARGE,
            f"Decoding {width} x {height} pixels of this format takes about {needed_bytes / 1e6:.0f} MB; "
            f"the limit is {limits.max_decode_bytes / 1e6:.0f} MB.",
        )


def gif_frames(payload: bytes, most: int) -> int:
    """Count the frames of a GIF without decoding any, stopping at `most` (GIF89a specification, section 15 on)."""
    at = 13 + _colour_table_bytes(payload, 10)
    frames = 0
    while at < len(payload) and frames < most:
        kind = payload[at]
        if kind == GIF_IMAGE:  # its descriptor, then the LZW code size
            frames += 1
            at = _after_blocks(payload, at + 11 + _colour_table_bytes(payload, at + 9))
        elif kind == GIF_EXTENSION:  # then its label
            at = _after_blocks(payload, at + 2)
        else:
            break
    return frames


def _colour_table_bytes(payload: bytes, flags_at: int) -> int:
    flags = payload[flags_at] if flags_at < len(payload) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(payload: bytes, at: int) -> int:
    end = len(payload)
    while at < end and payload[at]:
        at += payload[at] + 1
    return at + 1
