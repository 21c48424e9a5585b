"""Screenshots: flat areas, text, and a picture in a window."""

import random
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from bench.corpus.documents import WORDS
from bench.corpus.photographs import Photographs

LINE_PX: Final = 30


def screenshot(rng: random.Random, photographs: Photographs, size_px: tuple[int, int]) -> Image.Image:
    """Draw a desktop: a title bar, a list at the left, text, and in every second one a photograph."""
    width, height = size_px
    picture = Image.new("RGB", size_px, (246, 247, 249))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width, 64), fill=(44, 62, 80))
    draw.rectangle((0, 64, width // 5, height), fill=(228, 232, 236))
    font = ImageFont.load_default(20)
    for top in range(90, height - LINE_PX, LINE_PX):
        draw.text((24, top), " ".join(rng.choices(WORDS, k=2)), font=font, fill=(70, 80, 90))
        if rng.random() < 0.8:
            words = " ".join(rng.choices(WORDS, k=rng.randint(6, 16)))
            draw.text((width // 5 + 40, top), words, font=font, fill=(30, 30, 34))
    if rng.random() < 0.5:
        picture.paste(photographs.take((width // 3, height // 3)), (width * 3 // 5, height // 2))
    return picture
