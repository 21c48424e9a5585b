"""Colours beside what the files mean by them."""

from itertools import product

import numpy as np
import pytest
from PIL import Image

from agents.rendering.verdicts import Limits
from tests.agents.rendering.answers import picture
from tests.harness.files import saved
from tests.quality.measures import Array, delta_e
from tests.quality.profiles import adobe_rgb, adobe_rgb_as_srgb, lab_as_srgb, press

MOST_DELTA_E = 3.0
PATCH_PX = 64
BEST = Limits(webp_quality=100, max_edge_px=512)
LEVELS = (40, 128, 215)
# Cyan slowest, black fastest; all of them colours that sRGB can show, from white to black.
PRESS_LAB = [
    (100.0 - 15 * c - 20 * m - 5 * y - 60 * k, 20.0 * (m - c) * (1 - 0.7 * k), 22.0 * (y - c) * (1 - 0.7 * k))
    for c, m, y, k in product((0, 1), repeat=4)
]


def chart(colours: list[tuple[int, ...]], mode: str) -> Image.Image:
    """Lay out patches in a row of eight."""
    rows = (len(colours) + 7) // 8
    image = Image.new(mode, (8 * PATCH_PX, rows * PATCH_PX))
    for number, colour in enumerate(colours):
        x, y = number % 8 * PATCH_PX, number // 8 * PATCH_PX
        image.paste(colour, (x, y, x + PATCH_PX, y + PATCH_PX))
    return image


def seen(data: bytes, patches: int) -> Array:
    """Render and return the colour in the middle of each patch."""
    image = picture(data, limits=BEST).convert("RGB")
    assert image.width == 8 * PATCH_PX
    middles = [
        (number % 8 * PATCH_PX + PATCH_PX // 2, number // 8 * PATCH_PX + PATCH_PX // 2) for number in range(patches)
    ]
    return np.array(
        [np.asarray(image.crop((x - 8, y - 8, x + 8, y + 8)), dtype=float).mean(axis=(0, 1)) for x, y in middles]
    )


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_a_wide_profile_becomes_srgb(file_format: str) -> None:
    colours = list(product(LEVELS, repeat=3))
    options = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}.get(
        file_format, {"quality": 98, "subsampling": "4:4:4"}
    )
    data = saved(chart(colours, "RGB"), file_format, icc_profile=adobe_rgb(), **options)
    distances = delta_e(seen(data, len(colours)), adobe_rgb_as_srgb(np.array(colours, dtype=float)))
    assert distances.max() < MOST_DELTA_E, distances.round(1)


def test_without_a_profile_colours_stay() -> None:
    colours = list(product(LEVELS, repeat=3))
    assert delta_e(seen(saved(chart(colours, "RGB"), "PNG"), len(colours)), np.array(colours, dtype=float)).max() < 1.5


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_press_colours_are_what_their_profile_says(file_format: str) -> None:
    colours = list(product((0, 255), repeat=4))
    options = {"quality": 100, "subsampling": 0} if file_format == "JPEG" else {}
    data = saved(chart(colours, "CMYK"), file_format, icc_profile=press(PRESS_LAB), **options)
    found = seen(data, len(colours))
    distances = delta_e(found, lab_as_srgb(np.array(PRESS_LAB)))
    assert distances.max() < MOST_DELTA_E, distances.round(1)
