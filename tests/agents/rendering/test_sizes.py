from io import BytesIO

import pytest
from PIL import Image

from agents.rendering.limits import limits_of
from agents.rendering.verdicts import Limits, Options, Rendition
from agents.settings import RenderSettings
from tests.agents.rendering.answers import rendered
from tests.agents.rendering.pools import running_pool
from tests.harness.files import oriented_jpeg, saved, scan, screenshot_png
from tests.harness.pdf_files import letter_pdf

SIZES = Limits(options=Options(extra_edges_px=(600, 120, 1000)))


@pytest.mark.parametrize(
    "data", [oriented_jpeg(6), screenshot_png(), letter_pdf(), scan()], ids=["jpeg", "png", "pdf", "scan"]
)
def test_every_size_is_made_in_one_go(data: bytes) -> None:
    answer = rendered(data, limits=SIZES)
    assert isinstance(answer, Rendition)
    assert max(answer.width_px, answer.height_px) == 300
    assert [max(variant.width_px, variant.height_px) for variant in answer.variants] == [600, 120, 1000]
    for variant in answer.variants:
        with Image.open(BytesIO(variant.webp), formats=["WEBP"]) as image:
            assert image.size == (variant.width_px, variant.height_px)


def test_a_small_picture_is_not_made_larger() -> None:
    answer = rendered(saved(Image.new("RGB", (200, 100)), "PNG"), limits=SIZES)
    assert isinstance(answer, Rendition)
    assert [variant.width_px for variant in answer.variants] == [200, 120, 200]


async def test_all_sizes_pass_the_parents_check() -> None:
    settings = RenderSettings(render_extra_edges_px=(2048,), render_webp_quality=100)
    async with running_pool(limits_of(settings)) as pool:
        answer = await pool.render(letter_pdf(), file_name="a.pdf")
    assert isinstance(answer, Rendition)
    assert answer.variants[0].height_px == 2048


def test_the_settings_become_limits() -> None:
    settings = RenderSettings(render_animation_frames=7, render_placeholders=True, render_placeholder_hash="thumbhash")
    assert limits_of(settings).options == Options(cards=True, glimpse="thumbhash")
    moving = RenderSettings(render_animated=True, render_animation_frames=7)
    assert limits_of(moving).options == Options(animation_frames=7)
