from io import BytesIO

import pytest
from PIL import Image

from agents.rendering.verdicts import Limits, Options, Rendition
from agents.rendering.webp import animated_size
from tests.agents.rendering.answers import near, rendered
from tests.agents.rendering.pools import running_pool
from tests.harness.files import animated_gif, photo, saved

MOVING = Limits(options=Options(animation_frames=20))


def animation(file_format: str, frames: int = 5, mode: str = "RGB") -> bytes:
    colours = [(40 * number, 0, 200, 120)[: len(mode)] for number in range(frames)]
    first, *others = [Image.new(mode, (400, 200), colour) for colour in colours]
    return saved(first, file_format, save_all=True, append_images=others, duration=70, loop=0)


def rendition(data: bytes, limits: Limits = MOVING) -> Rendition:
    answer = rendered(data, limits=limits)
    assert isinstance(answer, Rendition), answer
    return answer


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP"])
def test_an_animation_moves_where_that_is_asked_for(file_format: str) -> None:
    answer = rendition(animation(file_format))
    with Image.open(BytesIO(answer.webp)) as image:
        assert (answer.frames, getattr(image, "n_frames", 1)) == (5, 5)
        assert image.size == (answer.width_px, answer.height_px) == (300, 150)
        image.seek(4)
        image.load()
        assert near(image.convert("RGB").getpixel((150, 75)), (160, 0, 200))
        assert image.info["duration"] == 70
    assert rendition(animation(file_format), Limits()).frames == 1


def test_transparent_frames_stay_transparent() -> None:
    answer = rendition(animation("WEBP", mode="RGBA"))
    with Image.open(BytesIO(answer.webp)) as image:
        image.seek(2)
        assert near(image.convert("RGBA").getpixel((150, 75)), (80, 0, 200, 120))


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "limits",
    [
        Limits(options=Options(animation_frames=4)),
        Limits(options=Options(animation_frames=20), max_pixels=5 * 400 * 200 - 1),
        Limits(options=Options(animation_frames=20), max_answer_bytes=100),
    ],
    ids=["frames", "pixels", "bytes"],
)
def test_beyond_the_budget_the_first_frame_is_shown(file_format: str, limits: Limits) -> None:
    answer = rendition(animation(file_format), limits)
    assert answer.frames == 1
    with Image.open(BytesIO(answer.webp)) as image:
        assert near(image.convert("RGB").getpixel((150, 75)), (0, 0, 200))


def test_a_still_picture_stays_still() -> None:
    assert rendition(saved(photo(), "PNG")).frames == 1


def test_an_animation_that_breaks_off_shows_its_first_frame() -> None:
    whole = animated_gif()
    answer = rendition(whole[: len(whole) // 2])
    assert answer.width_px == 300


async def test_an_animation_passes_the_parents_check() -> None:
    async with running_pool(MOVING) as pool:
        answer = await pool.render(animated_gif(), file_name="a.gif")
    assert isinstance(answer, Rendition)
    assert answer.frames == 12
    assert animated_size(answer.webp, 12) == (answer.width_px, answer.height_px)


@pytest.mark.parametrize("frames", [1, 4, 6])
def test_another_number_of_frames_than_stated_is_refused(frames: int) -> None:
    with pytest.raises(ValueError, match="number of frames"):
        animated_size(rendition(animation("GIF")).webp, frames)


def test_damage_in_an_animation_is_measured_or_refused() -> None:
    whole = rendition(animation("GIF")).webp
    for at in range(12, len(whole)):
        try:
            width, height = animated_size(whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 :], 5)
        except (ValueError, IndexError):
            continue
        assert min(width, height) > 0
