"""Raster pictures through Pillow: the cheapest route to a small picture for each format."""

import importlib
import struct
import traceback
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Final

import pillow_heif
from PIL import AvifImagePlugin, IcoImagePlugin, Image, ImageChops, ImageFile, UnidentifiedImageError
from pillow_heif.as_plugin import HeifImageFile

from agents.rendering import animation, budget, colour, decoders, png
from agents.rendering.picture import Animation, Picture, displayed_size, orientation_of, upright
from agents.rendering.sniff import FileType
from agents.rendering.verdicts import Limits, Unrenderable, Verdict

# Pillow is told the one format that the magic bytes name: by default it would try all it knows, Ghostscript included.
PILLOW_FORMATS: Mapping[FileType, tuple[str, ...]] = {
    FileType.JPEG: ("JPEG", "MPO"),
    FileType.PNG: ("PNG",),
    FileType.GIF: ("GIF",),
    FileType.WEBP: ("WEBP",),
    FileType.BMP: ("BMP",),
    FileType.TIFF: ("TIFF",),
    FileType.AVIF: ("AVIF",),
    FileType.ICO: ("ICO",),
    FileType.JPEG2000: ("JPEG2000",),
}
# What Pillow and its plugins raise for bytes they do not like, gathered over the corpus.
DECODING_FAILURES: Final = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    NotImplementedError,
    EOFError,
    LookupError,
    OverflowError,
    ZeroDivisionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
# How Pillow and libheif say that a file may be sound, but not for them.
UNSUPPORTED_WORDS: Final = ("nsupported", "not identified by this driver", "not been built in")
PNG_START: Final = b"\x89PNG\r\n\x1a\n"
PNG_SIZE: Final = struct.Struct(">II")  # in IHDR
PNG_SIZE_AT: Final = 16
LEAST_PARTIAL_SHARE: Final = 0.2
VISIBLE_DIFFERENCE: Final = 8


def preload() -> None:
    """Load the codecs and hold each to one thread: cores are shared out by the pool, one a child."""
    for name in ("Jpeg", "Mpo", "Png", "Gif", "WebP", "Bmp", "Tiff", "Ico", "Jpeg2K"):
        importlib.import_module(f"PIL.{name}ImagePlugin")
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pillow_heif.options.DECODE_THREADS = 1


def picture_of(payload: bytes, file_type: FileType, limits: Limits) -> Picture:
    """Decode and shrink a raster picture; what a truncated file still shows becomes a partial picture."""
    try:
        return _decoded(payload, file_type, limits)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = f"the limit is {limits.max_pixels / 1e6:.0f} megapixels"
        raise Unrenderable(Verdict.BOMB, f"The picture claims more pixels than are worth decoding; {limit}.") from error
    except DECODING_FAILURES as error:
        # The frames of the first attempt hold its pixels, which would lie beside those of the second.
        traceback.clear_frames(error.__traceback__)
        return _salvaged(payload, file_type, limits, error)


def _decoded(payload: bytes, file_type: FileType, limits: Limits, *, partial: bool = False) -> Picture:
    with _opened(payload, file_type) as image:
        stored_px = image.size
        budget.check(file_type, _decoded_px(image, payload), limits)
        # Pillow turns TIFFs upright by itself: the size when it opens them, the pixels when it loads them.
        turned = 1 if file_type is FileType.TIFF else _orientation(image, payload, file_type)
        source_width, source_height = displayed_size(stored_px, turned)
        profile = image.info.get("icc_profile")
        decode = decoders.thorough if partial else decoders.small
        small = decode(image, payload, file_type, limits.largest_edge_px)
        moves = limits.options.animation_frames > 0 and turned == 1 and not partial
        moving = _animation(image, payload, file_type, limits) if moves else None
    if partial:
        _check_usable(small.image)
    return Picture(
        image=upright(colour.to_srgb(small.image, profile), turned),
        source_width=source_width,
        source_height=source_height,
        engine=small.engine,
        partial=partial,
        animation=moving,
    )


def _animation(image: Image.Image, payload: bytes, file_type: FileType, limits: Limits) -> Animation | None:
    """A later frame that is damaged only costs the motion."""
    try:
        return animation.animation_of(image, payload, file_type, limits)
    except DECODING_FAILURES:
        return None


def _opened(payload: bytes, file_type: FileType) -> Image.Image:
    if file_type is FileType.HEIC:
        return HeifImageFile(BytesIO(payload))  # type: ignore[no-untyped-call]
    return Image.open(BytesIO(payload), formats=PILLOW_FORMATS[file_type])


def _decoded_px(image: Image.Image, payload: bytes) -> tuple[int, int]:
    """Return the size that decoding has to do with: a PNG within an icon may be larger than the icon says."""
    if not isinstance(image, IcoImagePlugin.IcoImageFile):
        return image.size
    start = image.ico.entry[0].offset
    width, height = PNG_SIZE.unpack(payload[start + PNG_SIZE_AT : start + PNG_SIZE_AT + PNG_SIZE.size].ljust(8, b"\0"))
    return (width, height) if payload.startswith(PNG_START, start) else image.size


def _orientation(image: Image.Image, payload: bytes, file_type: FileType) -> int:
    """Read the orientation, but do not let Pillow decode a whole PNG in search of one."""
    if file_type is FileType.PNG and not png.may_be_turned(payload):
        return 1
    return orientation_of(image)


def _salvaged(payload: bytes, file_type: FileType, limits: Limits, error: Exception) -> Picture:
    try:
        with _truncation_tolerated():
            return _decoded(payload, file_type, limits, partial=True)
    except DECODING_FAILURES:
        raise _refusal(error) from error


@contextmanager
def _truncation_tolerated() -> Iterator[None]:
    """Pillow has one switch for the whole process: on for this one attempt, off again whatever happens."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _check_usable(small: Image.Image) -> None:
    """Refuse a salvaged picture that shows next to nothing: decoders leave the rows they never saw in one colour."""
    rgb = small.convert("RGB")
    missing = rgb.getpixel((0, rgb.height - 1))
    shown = ImageChops.difference(rgb, Image.new("RGB", rgb.size, missing)).convert("L")
    box = shown.point([0] * VISIBLE_DIFFERENCE + [255] * (256 - VISIBLE_DIFFERENCE)).getbbox()
    if box is None or box[3] < small.height * LEAST_PARTIAL_SHARE:
        raise Unrenderable(Verdict.CORRUPT, "The file is damaged or was cut off before a usable part of the picture.")


def _refusal(error: Exception) -> Unrenderable:
    if isinstance(error, UnidentifiedImageError):
        return Unrenderable(Verdict.CORRUPT, "The file starts like a picture, but its header cannot be read.")
    if isinstance(error, NotImplementedError) or any(words in str(error) for words in UNSUPPORTED_WORDS):
        return Unrenderable(
            Verdict.UNSUPPORTED, f"The picture uses a variant of its format that is not supported ({error})."
        )
    return Unrenderable(Verdict.CORRUPT, f"The picture is damaged ({error}).")
