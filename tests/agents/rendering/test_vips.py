import os
from io import BytesIO

import pytest
from PIL import Image

from agents.rendering import vips
from agents.rendering.sniff import FileType
from agents.rendering.verdicts import Rendition, Verdict
from tests.agents.rendering.answers import rendered
from tests.harness.files import animated_gif, photo, saved, screenshot_png
from tests.harness.pdf_files import letter_pdf
from tests.harness.servers import skip_or_fail


@pytest.fixture(autouse=True)
def _libvips() -> None:
    if vips.LIBRARY is None:  # the set-up installs it: without this, CI could lose the route and stay green
        skip_or_fail("libvips cannot be loaded here", os.environ)


def engine_for(data: bytes) -> str:
    answer = rendered(data)
    assert isinstance(answer, Rendition)
    return answer.engine


@pytest.mark.parametrize(
    ("data", "engine"),
    [
        (screenshot_png(), "libvips"),
        (saved(photo((640, 480)), "PNG"), "libvips"),
        (saved(photo((640, 480)).quantize(50), "PNG"), "libvips"),
        (saved(photo((640, 480)), "WEBP"), "libvips"),
        (saved(photo((640, 480)), "WEBP", lossless=True), "pillow"),
        (saved(Image.new("I;16", (640, 480)), "PNG"), "pillow"),
        (saved(photo((640, 480)).convert("1"), "PNG"), "pillow"),
        (saved(photo((640, 480)), "WEBP", save_all=True, append_images=[photo((640, 480), 8)]), "pillow"),
        (saved(photo((640, 480)), "JPEG"), "pillow"),
    ],
)
def test_each_file_takes_its_route(data: bytes, engine: str) -> None:
    assert engine_for(data) == engine


@pytest.mark.parametrize(
    "data",
    [
        animated_gif(),
        saved(photo((64, 48)), "JPEG"),
        saved(photo((64, 48)), "TIFF"),
        saved(photo((64, 48)), "AVIF"),
        saved(photo((64, 48)), "JPEG2000"),
        saved(photo((64, 48)), "BMP"),
        b"<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'/>",
        letter_pdf(),
        b"P6 1 1 255 abc",
        b"#?RADIANCE\n",
        b"v\xf2\xa6\xb6" + bytes(200),
    ],
)
def test_libvips_opens_nothing_but_what_it_is_there_for(data: bytes) -> None:
    assert vips.LIBRARY is not None
    with pytest.raises(vips.LIBRARY.Error):
        vips.LIBRARY.Image.thumbnail_buffer(data, 300).write_to_memory()
    with pytest.raises(vips.LIBRARY.Error):
        vips.LIBRARY.Image.new_from_buffer(data, "").write_to_memory()


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_a_damaged_file_is_left_to_pillow(file_format: str) -> None:
    whole = saved(photo((640, 480)), file_format)
    data = whole[: len(whole) * 2 // 3]
    with Image.open(BytesIO(whole), formats=[file_format]) as image:
        assert vips.shrunk(image, data, FileType(file_format.lower()), 300) is None
    assert rendered(data).verdict in {Verdict.PARTIAL, Verdict.CORRUPT}
