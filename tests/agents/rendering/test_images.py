import struct
import zlib
from collections.abc import Mapping
from io import BytesIO

import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageFile

from agents.rendering.verdicts import Limits, Refusal, Rendition, Verdict
from tests.agents.rendering.answers import near, picture, rendered
from tests.harness.files import (
    STORED_AS,
    animated_gif,
    heic,
    oriented_jpeg,
    photo,
    saved,
    screenshot_png,
    truncated_jpeg,
)

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (40, 60, 220), (255, 255, 255)


def marked(size_px: tuple[int, int] = (800, 600), mode: str = "RGB") -> Image.Image:
    """Red upper left, green upper right, blue lower left, white lower right."""
    width, height = size_px
    image = Image.new("RGB", size_px, WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image.convert(mode)


def assert_marks(image: Image.Image, most: int = 12) -> None:
    rgb = image.convert("RGB")
    width, height = rgb.size
    corners = [rgb.getpixel((x, y)) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    for corner, colour in zip(corners, (RED, GREEN, BLUE, WHITE), strict=True):
        assert near(corner, colour, most), corners


def turned(orientation: int) -> Image.Image:
    transposition = STORED_AS.get(orientation)
    return marked() if transposition is None else marked().transpose(transposition)


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_stand_upright(orientation: int, file_format: str) -> None:
    data = saved(turned(orientation), file_format, exif=with_orientation(orientation))
    answer = rendered(data)
    assert isinstance(answer, Rendition)
    assert (answer.source_width, answer.source_height) == (800, 600)
    assert_marks(picture(data))


def test_a_photo_held_upright_keeps_its_shape() -> None:
    answer = rendered(oriented_jpeg(6, photo((600, 800))))
    assert isinstance(answer, Rendition)
    assert (answer.width_px, answer.height_px) == (225, 300)


def test_an_unknown_orientation_is_no_orientation() -> None:
    assert_marks(picture(saved(marked(), "JPEG", exif=with_orientation(77))))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_heic_is_turned_once(orientation: int) -> None:
    buffer = BytesIO()
    image = turned(orientation)
    pillow_heif.from_pillow(image).save(buffer, quality=80, exif=with_orientation(orientation).tobytes())
    assert_marks(picture(buffer.getvalue()))


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_thumbnail_of_a_heic_is_used_and_turned_alike(orientation: int) -> None:
    buffer = BytesIO()
    exif = with_orientation(orientation).tobytes()
    pillow_heif.from_pillow(turned(orientation)).save(buffer, quality=80, exif=exif, thumbnails=[320])
    answer = rendered(buffer.getvalue())
    assert isinstance(answer, Rendition)
    assert answer.engine == "pillow-heif thumbnail"
    assert (answer.source_width, answer.source_height) == (800, 600)
    assert_marks(picture(buffer.getvalue()))


def test_a_thumbnail_smaller_than_the_preview_is_not_used() -> None:
    buffer = BytesIO()
    pillow_heif.from_pillow(marked()).save(buffer, quality=80, thumbnails=[160])
    answer = rendered(buffer.getvalue())
    assert isinstance(answer, Rendition)
    assert (answer.engine, answer.width_px) == ("pillow-heif", 300)


def test_a_sample_heic_is_a_landscape() -> None:
    assert picture(heic()).size == (300, 225)


@pytest.mark.parametrize(
    ("source_px", "preview_px"),
    [((4000, 3000), (300, 225)), ((100, 40), (100, 40)), ((300, 301), (299, 300)), ((3000, 2), (300, 1))],
)
def test_the_longest_side_is_bounded_and_small_pictures_do_not_grow(
    source_px: tuple[int, int], preview_px: tuple[int, int]
) -> None:
    assert picture(saved(Image.new("RGB", source_px, RED), "PNG")).size == preview_px


def test_the_longest_side_is_a_value_passed_in() -> None:
    assert picture(saved(marked(), "JPEG"), limits=Limits(max_edge_px=64)).size == (64, 48)


def test_alpha_is_kept_and_hidden_colours_do_not_bleed() -> None:
    source = Image.new("RGBA", (900, 900), (0, 255, 0, 0))  # green, though nobody sees it
    source.paste((*RED, 255), (300, 300, 600, 600))
    image = picture(saved(source, "PNG"))
    assert image.mode == "RGBA"
    assert near(image.getpixel((150, 150)), (*RED, 255))
    alpha = image.getpixel((10, 10))
    assert isinstance(alpha, tuple)
    assert alpha[3] == 0
    edge = image.getpixel((101, 150))
    assert isinstance(edge, tuple)
    assert edge[0] > edge[1]


def test_a_screenshot_keeps_its_shadow() -> None:
    assert picture(screenshot_png()).getchannel("A").getextrema() == (0, 255)


def test_an_alpha_channel_that_hides_nothing_is_dropped() -> None:
    assert picture(saved(marked(mode="RGBA"), "PNG")).mode == "RGB"


@pytest.mark.parametrize("mode", ["P", "L", "1"])
def test_a_transparent_entry_becomes_alpha(mode: str) -> None:
    source = Image.new(mode, (40, 40), 0)
    source.paste(1 if mode != "L" else 200, (0, 0, 20, 40))
    if mode == "P":
        source.putpalette([0, 0, 0, *RED])
    image = picture(saved(source, "PNG", transparency=0))
    assert image.mode == "RGBA"
    assert image.getchannel("A").getextrema() == (0, 255)


CONVERSIONS: Mapping[str, str] = {"CMYK": "JPEG", "P": "GIF", "YCbCr": "JPEG", "LAB": "TIFF", "RGBA": "WEBP"}


@pytest.mark.parametrize(("mode", "file_format"), CONVERSIONS.items())
def test_colours_survive_every_mode(mode: str, file_format: str) -> None:
    source = marked()
    if mode == "LAB":
        lab = ImageCms.profileToProfile(
            source, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        assert lab is not None
        source = lab
    else:
        source = source.convert(mode)
    assert_marks(picture(saved(source, file_format)), most=20)


def test_one_bit_pictures_become_grey_not_ragged() -> None:
    source = Image.new("1", (1200, 1200), 1)
    for x in range(0, 1200, 2):
        source.paste(0, (x, 0, x + 1, 1200))
    histogram = picture(saved(source, "PNG")).convert("L").histogram()
    levels = [level for level, pixels in enumerate(histogram) if pixels]
    assert 100 < levels[0] <= levels[-1] < 155


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = Image.frombytes("I;16", (256, 4), struct.pack("<1024H", *(list(range(0, 65536, 256)) * 4)))
    row = picture(saved(ramp, "PNG")).convert("L")
    assert near((row.getpixel((64, 1)), row.getpixel((192, 1))), (64, 192), most=6)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_sensors_with_fewer_bits_are_not_shown_in_the_dark(bits: int) -> None:
    levels = [number * 2 ** (bits - 8) for number in range(256)]
    ramp = Image.frombytes("I;16", (256, 4), struct.pack("<1024H", *(levels * 4)))
    row = picture(saved(ramp, "TIFF")).convert("L")
    assert near((row.getpixel((64, 1)), row.getpixel((192, 1))), (64, 192), most=6)


def test_a_profile_is_applied() -> None:
    """The profile says that red and green are swapped; the preview must show what was meant."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = _swap(_swap_tags(profile, b"rXYZ", b"gXYZ"), b"sRGB", b"swap")
    red, green, blue = marked().split()
    source = Image.merge("RGB", (green, red, blue))
    assert_marks(picture(saved(source, "PNG", icc_profile=swapped)), most=16)


def _swap(data: bytes, old: bytes, new: bytes) -> bytes:
    return data.replace(old, new)


def _swap_tags(profile: bytes, left: bytes, right: bytes) -> bytes:
    return profile.replace(left, b"\0TMP").replace(right, left).replace(b"\0TMP", right)


@pytest.mark.parametrize("profile", [b"rubbish", b"\0" * 200])
def test_a_profile_that_cannot_be_read_is_ignored(profile: bytes) -> None:
    assert_marks(picture(saved(marked(), "PNG", icc_profile=profile)))


def test_previews_carry_no_metadata() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = picture(saved(photo(), "JPEG", exif=with_orientation(6), icc_profile=profile))
    assert not {"exif", "icc_profile", "xmp"} & set(image.info)


def test_the_first_frame_of_an_animation_is_shown() -> None:
    image = picture(animated_gif())
    assert getattr(image, "n_frames", 1) == 1


def test_the_second_picture_of_a_phone_jpeg_is_no_frame() -> None:
    data = saved(marked(), "MPO", save_all=True, append_images=[Image.new("RGB", (800, 600))])
    answer = rendered(data, limits=Limits(max_pixels=800 * 600))
    assert answer.verdict is Verdict.RENDERED
    assert_marks(picture(data))


def test_the_first_page_of_a_tiff_is_shown_however_many_follow() -> None:
    data = saved(marked(), "TIFF", save_all=True, append_images=[Image.new("RGB", (800, 600))] * 5)
    assert_marks(picture(data, limits=Limits(max_pixels=800 * 600)))


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP"])
def test_a_long_animation_is_shown_by_its_first_frame_and_a_large_one_is_refused(file_format: str) -> None:
    frames = [Image.new("RGB", (100, 100), (40 * number, 0, 0)) for number in range(5)]
    data = saved(frames[0], file_format, save_all=True, append_images=frames[1:])
    assert rendered(data, limits=Limits(max_pixels=10_000)).verdict is Verdict.RENDERED
    assert rendered(data, limits=Limits(max_pixels=9_999)).verdict is Verdict.BOMB


def test_a_picture_with_too_many_pixels_is_refused_by_its_header_alone() -> None:
    header = struct.pack(">IIBBBBB", 8_000, 8_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    answer = rendered(data)
    assert isinstance(answer, Refusal)
    assert answer.verdict is Verdict.BOMB
    assert "64 megapixels" in answer.reason


def test_a_picture_within_an_icon_is_judged_by_its_own_header() -> None:
    data = saved(Image.new("RGBA", (64, 64), RED), "ICO", sizes=[(64, 64)])
    assert picture(data).size == (64, 64)
    at = data.index(b"IHDR")
    header = b"IHDR" + struct.pack(">II", 8_000, 8_000) + data[at + 12 : at + 17]
    inflated = data[:at] + header + struct.pack(">I", zlib.crc32(header)) + data[at + 21 :]
    assert rendered(inflated).verdict is Verdict.BOMB


def test_a_picture_too_costly_to_decode_is_too_large() -> None:
    answer = rendered(saved(marked(), "WEBP"), limits=Limits(max_decode_bytes=1_000_000))
    assert answer.verdict is Verdict.TOO_LARGE


def test_a_broken_off_transfer_gives_a_partial_picture() -> None:
    answer = rendered(truncated_jpeg(0.6))
    assert answer.verdict is Verdict.PARTIAL


@pytest.mark.parametrize("share", [0.005, 0.02])
def test_next_to_nothing_is_no_picture(share: float) -> None:
    assert rendered(truncated_jpeg(share)).verdict is Verdict.CORRUPT


def test_tolerance_for_truncated_files_is_never_left_on() -> None:
    for share in (0.01, 0.6):
        rendered(truncated_jpeg(share))
        assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_damage_anywhere_is_a_verdict(file_format: str) -> None:
    whole = saved(marked((160, 120)), file_format)
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = whole[:at] + bytes(255 - byte for byte in whole[at : at + 8]) + whole[at + 8 :]
        for data in (damaged, whole[:at]):
            assert rendered(data).verdict in set(Verdict) - {Verdict.CRASHED, Verdict.TIMEOUT}


def test_a_name_that_lies_is_noted() -> None:
    answer = rendered(saved(marked(), "PNG"), name="photo.jpg", mime="image/jpeg")
    assert isinstance(answer, Rendition)
    assert answer.note == "The file is named .jpg and declared as image/jpeg, but it is a PNG picture."
