import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from agents.rendering.engine import render
from agents.rendering.png import chunks, may_be_turned
from agents.rendering.verdicts import Limits, Order, Rendition
from tests.harness.files import saved

XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'


def picture() -> Image.Image:
    return Image.effect_noise((640, 320), 60).convert("RGB")


def sideways() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def with_chunk_behind_the_picture(data: bytes, name: bytes, body: bytes) -> bytes:
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return data[:-12] + chunk + data[-12:]


def text_chunk(key: str, text: str, *, packed: bool = False) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text(key, text, packed)
    return info


def test_a_plain_png_says_nothing_of_its_sides() -> None:
    assert not may_be_turned(saved(picture(), "PNG"))
    assert not may_be_turned(saved(picture(), "PNG", pnginfo=text_chunk("Comment", "seen from the side")))


@pytest.mark.parametrize("packed", [False, True], ids=["tEXt", "zTXt"])
def test_exif_of_old_imagemagick_and_xmp_may_turn_it(packed: bool) -> None:  # noqa: FBT001
    old = saved(picture(), "PNG", pnginfo=text_chunk("Raw profile type exif", "exif\n8\n45786966", packed=packed))
    assert may_be_turned(old)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP)
    assert may_be_turned(saved(picture(), "PNG", pnginfo=info))


def test_a_mark_among_the_pixels_turns_nothing() -> None:
    stored = saved(picture(), "PNG", compress_level=0)
    assert not may_be_turned(stored.replace(stored[1000:1004], b"eXIf", 1))


@pytest.mark.parametrize("behind", [False, True], ids=["before the picture", "behind the picture"])
def test_a_png_with_exif_is_turned_upright_wherever_it_stands(behind: bool) -> None:  # noqa: FBT001
    body = sideways().tobytes().removeprefix(b"Exif\0\0")
    plain = saved(picture(), "PNG")
    data = with_chunk_behind_the_picture(plain, b"eXIf", body) if behind else saved(picture(), "PNG", exif=sideways())
    assert may_be_turned(data)
    answer = render(data, Order(size_bytes=len(data), file_name="a.png", declared_mime=None, limits=Limits()))
    assert isinstance(answer, Rendition)
    assert (answer.width_px, answer.height_px) == (150, 300)


@pytest.mark.parametrize("cut", [0, 7, 8, 15, 40, -5])
def test_a_file_that_was_cut_off_ends_the_walk(cut: int) -> None:
    data = saved(picture(), "PNG")
    assert [name for name, _, _ in chunks(data)][-1] == b"IEND"
    assert not may_be_turned(data[:cut])


def test_a_length_beyond_the_end_ends_the_walk() -> None:
    data = saved(picture(), "PNG")
    assert len(list(chunks(data[:8] + b"\xff\xff\xff\xff" + data[12:]))) == 1
