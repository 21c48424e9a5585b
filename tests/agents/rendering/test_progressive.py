from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from agents.rendering import progressive
from agents.rendering.verdicts import Limits, Rendition, Verdict
from tests.agents.rendering.answers import rendered
from tests.harness.files import photo, saved
from tests.quality.measures import psnr_db

ENGINE = "pillow dc scans"


def jpeg(mode: str = "RGB", width: int = 2800, **options: object) -> bytes:
    picture = photo((width, width * 2 // 3)).convert(mode)
    return saved(picture, "JPEG", **{"quality": 88, "progressive": True, **options})


def at_an_eighth(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        image.draft(None, (image.width // 8, image.height // 8))
        return image.convert("RGB")


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_part_of_the_scans_shows_the_same_at_an_eighth(mode: str, subsampling: int) -> None:
    whole = jpeg(mode, 1000, subsampling=subsampling)
    light = progressive.without_detail(whole)
    assert light is not None
    assert len(light) < len(whole) / 2
    left, right = (np.asarray(at_an_eighth(data), dtype=float) for data in (light, whole))
    assert psnr_db(left, right) > 44


def test_large_progressive_files_take_this_way_and_no_others() -> None:
    for data, expected in ((jpeg(), True), (jpeg(width=2000), False), (jpeg(progressive=False), False)):
        answer = rendered(data)
        assert isinstance(answer, Rendition)
        assert (answer.engine == ENGINE) == expected


def test_a_larger_preview_is_not_made_of_an_eighth() -> None:
    answer = rendered(jpeg(), limits=Limits(max_edge_px=600))
    assert isinstance(answer, Rendition)
    assert (answer.engine, answer.width_px) == ("pillow", 600)


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_and_size_are_those_of_the_whole_file(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    answer = rendered(jpeg(exif=exif))
    assert isinstance(answer, Rendition)
    assert answer.engine == ENGINE
    expected = (2800, 1866) if orientation == 3 else (1866, 2800)
    assert (answer.source_width, answer.source_height) == expected


def test_a_file_that_breaks_off_is_still_partial() -> None:
    whole = jpeg()
    assert rendered(whole[: len(whole) * 4 // 5]).verdict is Verdict.PARTIAL


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xda\0\2",
        b"\xff\xd8" + b"\xff\xfe\0\2" * 5_000 + b"\xff\xd9",
        b"\xff\xd8rubbish",
    ],
)
def test_what_is_not_built_as_expected_is_left_to_the_decoder(data: bytes) -> None:
    assert progressive.without_detail(data) is None


def test_damage_anywhere_is_no_exception() -> None:
    whole = jpeg(width=200)
    for at in range(2, len(whole), 7):
        progressive.without_detail(whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 :])
        progressive.without_detail(whole[:at])
