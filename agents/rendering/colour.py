"""Any Pillow mode and colour profile to eight-bit sRGB, alpha kept."""

from functools import lru_cache
from io import BytesIO
from typing import Final

from PIL import Image, ImageCms

SIXTEEN_BIT_PREFIX: Final = "I;16"
ALPHA_MODES: Final = frozenset({"LA", "RGBA", "La", "RGBa", "PA"})
RESIZABLE_MODES: Final = {"1": "L", "P": "RGB", "PA": "RGBA", "HSV": "RGB", "YCbCr": "RGB", "RGBX": "RGB"}
EIGHT_BITS: Final = 255
SIXTEEN_BITS: Final = 65_535
LEAST_BITS: Final = 8
SENSOR_BITS: Final = 12
MODES_OF_SPACE: Final = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}


def resizable(image: Image.Image) -> Image.Image:
    """Convert a decoded image into a mode that filters average correctly; colours stay in their own space."""
    if "transparency" in image.info and image.mode in {"1", "L", "P", "RGB"}:
        return image.convert("RGBA")  # one colour or palette entry stands for transparent
    if image.mode.startswith(SIXTEEN_BIT_PREFIX) or image.mode in {"I", "F"}:
        return _stretched(image, *_range_of(image))
    mode = RESIZABLE_MODES.get(image.mode)
    return image if mode is None else image.convert(mode)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to RGB or RGBA in sRGB; a profile that does not fit the image is ignored, as browsers do."""
    alpha = image.getchannel("A") if image.mode in ALPHA_MODES else None
    if alpha is not None:
        image = image.convert("RGB" if image.mode == "RGBA" else "L")
    image = _managed(image, profile).convert("RGB")
    if alpha is not None and alpha.getextrema() != (EIGHT_BITS, EIGHT_BITS):
        image.putalpha(alpha)
    return image


def _managed(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "LAB":
        return _applied(image, _transform_from_lab())
    if not profile or (b"sRGB" in profile and b"inear" not in profile and image.mode == "RGB"):
        return image
    try:
        transform = _transform(profile, image.mode)
        return image if transform is None else _applied(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Build a transform, which takes longer than to apply it; cameras of one make all embed the same profile."""
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if MODES_OF_SPACE.get(source.profile.xcolor_space) != mode:
        return None
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


def _transform_from_lab() -> ImageCms.ImageCmsTransform:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB")


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # noqa: S101 - None only for inPlace
    return converted


def _range_of(image: Image.Image) -> tuple[float, float]:
    """Return what is black and what is white.

    Integers of 16 bits are taken at face value, but for sensors and X-rays, which store 8 to 12 bits in 16; anything
    else is stretched over what it holds.
    """
    low, high = image.getextrema()
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
        raise TypeError("a picture of one channel has one range")
    if image.mode == "F" or low < 0 or high > SIXTEEN_BITS:
        return low, high
    bits = max(int(high).bit_length(), LEAST_BITS)
    return 0, 2**bits - 1 if bits <= SENSOR_BITS else SIXTEEN_BITS


def _stretched(image: Image.Image, low: float, high: float) -> Image.Image:
    scale = EIGHT_BITS / (high - low) if high > low else 0.0
    wide = image if image.mode in {"I", "F"} else image.convert("I")
    return wide.point(lambda value: value * scale - low * scale).convert("L")
