from base64 import b64decode
from io import BytesIO

import pytest
from PIL import Image

from agents.rendering.glimpse import glimpse_of, thumbhash
from agents.rendering.verdicts import Limits, Options, Rendition
from tests.agents.rendering.answers import near, rendered
from tests.harness.files import oriented_jpeg, photo

# As the package thumbhash 0.1.2 on PyPI computes them from the same pixels.
LANDSCAPE = bytes.fromhex("1ec70d2d827788787f788773777778889880d78d0b")
PORTRAIT = bytes.fromhex("5ec70d2d0277887f78377767788878789770d7bf0c")


def small(size_px: tuple[int, int]) -> Image.Image:
    image = photo(size_px)
    image.thumbnail((32, 32), Image.Resampling.BOX)
    return image


@pytest.mark.parametrize(("size_px", "expected"), [((300, 225), LANDSCAPE), ((225, 300), PORTRAIT)])
def test_a_thumbhash_is_the_one_that_others_compute(size_px: tuple[int, int], expected: bytes) -> None:
    assert thumbhash(small(size_px)) == expected


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("size_px", [(1, 1), (300, 1), (1, 300), (300, 300)])
def test_any_picture_has_a_thumbhash_of_a_score_of_bytes(mode: str, size_px: tuple[int, int]) -> None:
    found = b64decode(glimpse_of(Image.new(mode, size_px), "thumbhash"))
    assert 5 <= len(found) <= 30


def test_transparency_is_noted() -> None:
    seen, unseen = Image.new("RGBA", (32, 32), (200, 10, 10, 255)), Image.new("RGBA", (32, 32), (200, 10, 10, 60))
    assert thumbhash(seen)[2] & 0x80 == 0
    assert thumbhash(unseen)[2] & 0x80 != 0


def test_a_data_uri_is_a_picture_of_a_few_pixels() -> None:
    head, _, body = glimpse_of(Image.new("RGB", (300, 200), (200, 40, 40)), "data_uri").partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(BytesIO(b64decode(body)), formats=["WEBP"]) as image:
        assert image.size == (16, 11)
        assert near(image.convert("RGB").getpixel((8, 5)), (200, 40, 40))


def test_none_is_none_and_the_engine_makes_what_is_asked_for() -> None:
    assert glimpse_of(Image.new("RGB", (3, 3)), "none") == ""
    answer = rendered(oriented_jpeg(6), limits=Limits(options=Options(glimpse="data_uri")))
    assert isinstance(answer, Rendition)
    assert 100 < len(answer.glimpse) < 500
