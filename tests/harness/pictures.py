"""Small pictures at random, for runs that need many different files."""

import io
import random
from typing import Final

from PIL import Image, ImageDraw

FORMATS: Final = (("jpg", "JPEG", "image/jpeg"), ("png", "PNG", "image/png"), ("webp", "WEBP", "image/webp"))


def picture(rng: random.Random) -> tuple[str, bytes, str]:
    """Return name, bytes and MIME type of a picture of some shapes; the same generator state gives the same one."""
    ending, kind, mime = rng.choice(FORMATS)
    size = rng.randint(200, 1200), rng.randint(200, 1200)
    image = Image.new("RGB", size, _colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        left, top = rng.randrange(size[0]), rng.randrange(size[1])
        draw.ellipse((left, top, left + rng.randint(20, 400), top + rng.randint(20, 400)), fill=_colour(rng))
    encoded = io.BytesIO()
    image.save(encoded, kind)
    return f"picture-{rng.randrange(10**6)}.{ending}", encoded.getvalue(), mime


def _colour(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)
