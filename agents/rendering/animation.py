"""Animated previews, within a budget: what goes beyond it is shown by its first frame.

The budget is judged by the headers, before the second frame is decoded: the number of frames, and the pixels of all of
them. What comes out must fit the answer.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Final

from PIL import Image

from agents.rendering import budget, colour
from agents.rendering.picture import Animation, shrunk
from agents.rendering.sniff import FileType
from agents.rendering.verdicts import Limits

ANIMATED_TYPES: Final = frozenset({FileType.GIF, FileType.PNG, FileType.WEBP})
REDUCING_GAP: Final = 2.0
LEAST_MILLISECONDS: Final = 20  # browsers take shorter ones for a mistake and show 100
USUAL_MILLISECONDS: Final = 100
ENCODER_METHOD: Final = 0  # of the six the quickest: frames are many


def animation_of(image: Image.Image, payload: bytes, file_type: FileType, limits: Limits) -> Animation | None:
    """Make an animated preview of an opened picture; None when it stands still or goes beyond the budget.

    Raises whatever Pillow raises on a damaged frame.
    """
    frames = frames_of(image, payload, file_type, most=limits.options.animation_frames + 1)
    too_many = frames > limits.options.animation_frames
    if frames == 1 or too_many or frames * image.width * image.height > limits.max_pixels:
        return None
    small = [*_frames(image, frames, limits.max_edge_px)]
    webp = _encoded([frame for frame, _ in small], [milliseconds for _, milliseconds in small], image, limits)
    return Animation(webp, len(small)) if len(webp) <= limits.max_answer_bytes // 2 else None


def frames_of(image: Image.Image, payload: bytes, file_type: FileType, *, most: int) -> int:
    """Count frames without decoding any; a GIF's only up to `most`."""
    if file_type is FileType.GIF:
        return budget.gif_frames(payload, most=most)
    return getattr(image, "n_frames", 1) if file_type in ANIMATED_TYPES else 1


def _frames(image: Image.Image, count: int, edge_px: int) -> Iterator[tuple[Image.Image, int]]:
    profile = image.info.get("icc_profile")
    for number in range(count):
        image.seek(number)
        image.load()
        small = shrunk(colour.resizable(image.convert("RGBA")), edge_px, REDUCING_GAP)
        duration = image.info.get("duration") or 0
        yield colour.to_srgb(small, profile), round(duration) if duration >= LEAST_MILLISECONDS else USUAL_MILLISECONDS


def _encoded(frames: list[Image.Image], milliseconds: list[int], source: Image.Image, limits: Limits) -> bytes:
    buffer = BytesIO()
    frames[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=milliseconds,
        loop=source.info.get("loop", 1),  # a GIF without the word plays once
        quality=limits.webp_quality,
        method=ENCODER_METHOD,
        background=(0, 0, 0, 0),
        icc_profile=b"",
        exif=b"",
        xmp=b"",
    )
    return buffer.getvalue()
