"""Previews beside the best that can be had: everything decoded, then Lanczos over all pixels."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from io import BytesIO

import pillow_heif
import pytest
from PIL import Image, ImageDraw, ImageFont

from agents.rendering.engine import ENGINES
from agents.rendering.picture import Picture
from agents.rendering.sniff import sniff
from agents.rendering.verdicts import Limits
from tests.harness.files import photo, saved, screenshot_png
from tests.quality.measures import pixels, psnr_db, ssim

LEAST_DB = 38.0
LEAST_SSIM = 0.97


@cache
def camera(width: int) -> Image.Image:
    """A landscape with grain, with lettering and fine lines, which shrink-on-load spoils first."""
    picture = photo((width, width * 3 // 4))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(width / 24)
    for line in range(4):
        draw.text((width * 0.08, width * (0.4 + 0.07 * line)), "Invoice 4711 of 08-15", font=font, fill=(20, 20, 30))
    for step in range(40):
        draw.line([(width * 0.7, width * 0.4), (width, width * (0.3 + step / 100))], fill="white", width=width // 600)
    return picture


def jpeg(width: int, **options: object) -> bytes:
    return saved(camera(width), "JPEG", quality=90, **options)


def heic(width: int, **options: object) -> bytes:
    buffer = BytesIO()
    pillow_heif.from_pillow(camera(width)).save(buffer, quality=80, **options)
    return buffer.getvalue()


def translucent_png() -> bytes:
    picture = camera(1600).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return saved(picture, "PNG")


MIX: Mapping[str, Callable[[], bytes]] = {
    **{
        f"jpeg {width}": partial(jpeg, width)
        for width in (640, 1000, 1300, 1632, 2309, 2401, 2770, 3121, 3264, 3601, 4000)
    },
    **{f"progressive jpeg {width}": partial(jpeg, width, progressive=True) for width in (1632, 2500, 2761, 3264, 4000)},
    "jpeg 4:4:4": partial(jpeg, 2600, subsampling=0),
    "progressive jpeg 4:4:4": partial(jpeg, 2761, subsampling=0, progressive=True),
    "grey jpeg": lambda: saved(camera(1632).convert("L"), "JPEG", quality=90),
    "png": lambda: saved(camera(2000), "PNG"),
    "png with palette": lambda: saved(camera(1300).quantize(200), "PNG"),
    "png with alpha": translucent_png,
    "screenshot": screenshot_png,
    "webp": lambda: saved(camera(2309), "WEBP", quality=85, method=0),
    "lossless webp": lambda: saved(camera(900), "WEBP", lossless=True, method=0),
    "avif": lambda: saved(camera(1632), "AVIF", speed=10),
    "heic": lambda: heic(1300),
    "tiff": lambda: saved(camera(1300), "TIFF"),
    "bmp": lambda: saved(camera(1300), "BMP"),
    "jpeg 2000": lambda: saved(camera(1300), "JPEG2000", quality_layers=[20]),
}


def decoded(data: bytes) -> Picture:
    """Go all the way but for the encoder, whose losses would hide those of the way."""
    file_type = sniff(data).type
    assert file_type is not None
    return ENGINES[file_type](data, file_type, Limits())


def reference(data: bytes) -> Image.Image:
    with (
        Image.open(BytesIO(data)) if b"ftypheic" not in data[:16] else pillow_heif.open_heif(data).to_pillow() as image
    ):
        mode = {"RGBA": "RGBa", "P": "RGB"}.get(image.mode, image.mode)
        edge = max(image.size)
        size_px = (round(image.width * 300 / edge), round(image.height * 300 / edge))
        return image.convert(mode).resize(size_px, Image.Resampling.LANCZOS).convert(mode.replace("a", "A"))


@pytest.mark.parametrize("name", MIX)
def test_a_preview_is_hardly_told_from_the_best_one(name: str) -> None:
    data = MIX[name]()
    picture, best = decoded(data), reference(data)
    ours = picture.image
    assert ours.size == best.size
    for background in ("white", "black"):
        left, right = pixels(ours, background), pixels(best, background)
        assert psnr_db(left, right) >= LEAST_DB
        assert ssim(left, right) >= LEAST_SSIM
