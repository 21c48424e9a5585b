"""PNG and WebP through libvips, which shrinks while it decodes: a half to three quarters of Pillow's CPU.

A route beside Pillow, not instead of it: what libvips is not given, or does not like, Pillow decodes, salvages or
refuses. Where libvips is absent, pictures only cost more.
"""

import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from PIL import Image

from agents.rendering.picture import fitted
from agents.rendering.sniff import FileType

MODES: Final[Mapping[int, str]] = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
LOADERS: Final = ("VipsForeignLoadPng", "VipsForeignLoadWebp")
PNG_DEPTH_AT: Final = 24  # in IHDR, which comes first
LOSSLESS_WEBP: Final = b"VP8L"  # is decoded whole in any case, and then Lanczos shows more than libwebp's shrinking
WEBP_HEAD_BYTES: Final = 64
EIGHT_BITS: Final = 8


def loaded() -> ModuleType | None:
    """Load libvips with two loaders, one thread and no cache; None where it cannot be had."""
    os.putenv("VIPS_CONCURRENCY", "1")  # read when libvips first works: cores are shared out by the pool
    try:
        import pyvips  # noqa: PLC0415 - may be absent
    except (ImportError, OSError):
        return None
    if not pyvips.at_least_libvips(8, 13):  # since then loaders can be blocked
        return None
    pyvips.cache_set_max(0)
    pyvips.operation_block_set("VipsForeignLoad", True)  # noqa: FBT003 - not our signature
    for loader in LOADERS:
        pyvips.operation_block_set(loader, False)  # noqa: FBT003
    library: ModuleType = pyvips
    return library


LIBRARY: Final = loaded()


def shrunk(image: Image.Image, payload: bytes, file_type: FileType, edge_px: int) -> Image.Image | None:
    """Decode and shrink the picture that Pillow has opened but not read; None when this is not libvips's job."""
    if LIBRARY is None or not _fitting(image, payload, file_type):
        return None
    size_px = fitted(image.size, edge_px)
    try:
        small = _thumbnail(LIBRARY, payload, size_px)
        mode = MODES.get(small.bands)
        if mode is None or small.format != "uchar" or (small.width, small.height) != size_px:
            return None
        return Image.frombytes(mode, size_px, small.write_to_memory())
    except LIBRARY.Error:
        return None


def _fitting(image: Image.Image, payload: bytes, file_type: FileType) -> bool:
    if file_type is FileType.PNG:
        return payload[PNG_DEPTH_AT] == EIGHT_BITS
    animated = getattr(image, "n_frames", 1) > 1
    return file_type is FileType.WEBP and not animated and LOSSLESS_WEBP not in payload[:WEBP_HEAD_BYTES]


def _thumbnail(library: ModuleType, payload: bytes, size_px: tuple[int, int]) -> Any:
    width, height = size_px
    # libvips hands its own argument `fail_on` on to no loader here: a PNG cut in half would count as whole.
    options = {"option_string": "fail_on=error", "size": "force", "no_rotate": True}
    return library.Image.thumbnail_buffer(payload, width, height=height, **options)
