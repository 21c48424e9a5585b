"""Sample files, made on the spot: what guests send, and what they should not.

All are deterministic: the same bytes at every run with the same codecs.
"""

import math
import random
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import pillow_heif
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from agents.rendering.verdicts import Verdict
from tests.harness.pdf_files import encrypted_pdf, letter_pdf, scan_pdf

ORIENTATION_TAG = 0x0112
# How an upright picture must be stored so that this EXIF orientation shows it upright again.
STORED_AS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file as a guest would send it, and what becomes of it."""

    name: str
    mime: str
    make: Callable[[], bytes]
    verdict: Verdict


def photo(size_px: tuple[int, int] = (1600, 1200), seed: int = 7) -> Image.Image:
    """Draw a landscape with a sun and an arrow that points up, so that every turn and mirror shows."""
    width, height = size_px
    top, bottom = Image.new("RGB", size_px, (70, 130, 205)), Image.new("RGB", size_px, (250, 215, 170))
    picture = Image.composite(bottom, top, Image.linear_gradient("L").resize(size_px))
    draw = ImageDraw.Draw(picture)
    sun = (0.74 * width, 0.14 * height, 0.74 * width + 0.16 * height, 0.30 * height)
    draw.ellipse(sun, fill=(255, 240, 170))
    for layer, colour in enumerate(((104, 132, 150), (74, 110, 84), (42, 74, 46))):
        draw.polygon(_hills(size_px, layer), fill=colour)
    _draw_arrow(draw, size_px)
    return Image.blend(picture, _grain(size_px, seed), 0.06)


def oriented_jpeg(orientation: int, picture: Image.Image | None = None) -> bytes:
    """Store a picture as a camera held in that way would."""
    upright = picture or photo()
    transposition = STORED_AS.get(orientation)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    stored = upright if transposition is None else upright.transpose(transposition)
    return saved(stored, "JPEG", quality=88, exif=exif)


def screenshot_png() -> bytes:
    """A window with round corners and a soft shadow on nothing."""
    size_px = (1280, 800)
    window = (40, 30, 1240, 750)
    picture = Image.new("RGBA", size_px, (0, 0, 0, 0))
    ImageDraw.Draw(picture).rounded_rectangle((46, 44, 1246, 764), 22, fill=(0, 0, 0, 110))
    picture = picture.filter(ImageFilter.GaussianBlur(10))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle(window, 20, fill=(250, 250, 252, 255))
    draw.rounded_rectangle((40, 30, 1240, 90), 20, fill=(52, 73, 94, 255))
    draw.text((80, 42), "Order 4711 could not be sent", font=ImageFont.load_default(30), fill="white")
    for line in range(9):
        draw.rectangle((90, 150 + 60 * line, 90 + 90 * (4 + line * 7 % 8), 174 + 60 * line), fill=(190, 198, 208, 255))
    draw.rounded_rectangle((960, 640, 1190, 710), 14, fill=(41, 128, 185, 255))
    return saved(picture, "PNG")


def animated_gif() -> bytes:
    """A ball that goes round, twelve frames."""
    frames = []
    for number in range(12):
        frame = Image.new("P", (320, 240), 0)
        frame.putpalette([245, 245, 240, 211, 84, 0, 44, 62, 80])
        angle = number * math.tau / 12
        x, y = 160 + 90 * math.cos(angle), 120 + 70 * math.sin(angle)
        draw = ImageDraw.Draw(frame)
        draw.rectangle((40, 20, 280, 220), outline=2, width=6)
        draw.ellipse((x - 28, y - 28, x + 28, y + 28), fill=1)
        frames.append(frame)
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)


def heic() -> bytes:
    """A photo as a phone stores it, with a small one embedded."""
    buffer = BytesIO()
    pillow_heif.from_pillow(photo((1280, 960))).save(buffer, quality=60, thumbnails=[320])
    return buffer.getvalue()


def scan() -> bytes:
    """A sheet of paper, a little askew on the glass."""
    size_px = (1240, 1754)
    paper = Image.new("RGB", size_px, (252, 250, 244))
    draw = ImageDraw.Draw(paper)
    font = ImageFont.load_default(44)
    draw.text((140, 160), "Cancellation of contract 08-15", font=ImageFont.load_default(62), fill=(30, 30, 40))
    for line in range(16):
        draw.text((140, 340 + 70 * line), LOREM[line % len(LOREM)], font=font, fill=(40, 40, 50))
    draw.line([(150, 1560), (330, 1500), (420, 1590), (600, 1490), (700, 1560)], fill=(30, 40, 140), width=7)
    askew = paper.rotate(1.2, Image.Resampling.BICUBIC, fillcolor=(120, 120, 118))
    return scan_pdf(saved(Image.blend(askew, _grain(size_px, 3), 0.05), "JPEG", quality=70), size_px)


def truncated_jpeg(share: float = 0.6) -> bytes:
    """A photo whose transfer broke off."""
    whole = saved(photo(), "JPEG", quality=88)
    return whole[: int(len(whole) * share)]


def bomb_png(edge_px: int = 20_000) -> bytes:
    """A few kilobytes that unpack to 400 megapixels of white."""
    row = b"\0" + b"\xff" * (edge_px // 8)
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(row * 1000) for _ in range(edge_px // 1000)) + packer.flush()
    header = struct.pack(">IIBBBBB", edge_px, edge_px, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def program_exe() -> bytes:
    """The start of a Windows program, and bytes that mean nothing."""
    stub = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0".ljust(64, b"\0")
    return stub + b"This program cannot be run in DOS mode.\r\n$" + random.Random(11).randbytes(20_000)


def web_page() -> bytes:
    """What a server says instead of a picture."""
    return b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>\n"


def saved(picture: Image.Image, file_format: str, **options: object) -> bytes:
    """Encode a picture."""
    buffer = BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def _saved_photo(file_format: str, size_px: tuple[int, int] = (1280, 960), **options: object) -> bytes:
    return saved(photo(size_px), file_format, **options)


def _hills(size_px: tuple[int, int], layer: int) -> list[tuple[float, float]]:
    width, height = size_px
    ridge = [
        (
            width * step / 60,
            height * (0.52 + 0.14 * layer + 0.06 * math.sin(step / (4 + 2 * layer) + layer * 2.1)),
        )
        for step in range(61)
    ]
    return [(0, height), *ridge, (width, height)]


def _draw_arrow(draw: ImageDraw.ImageDraw, size_px: tuple[int, int]) -> None:
    """Red, in the upper left corner."""
    unit = min(size_px) / 20
    x, y = 3 * unit, 1.5 * unit
    red = (200, 30, 40)
    draw.polygon([(x, y), (x + 2 * unit, y + 2.5 * unit), (x - 2 * unit, y + 2.5 * unit)], fill=red)
    draw.rectangle((x - 0.8 * unit, y + 2.5 * unit, x + 0.8 * unit, y + 5.5 * unit), fill=red)


def _grain(size_px: tuple[int, int], seed: int) -> Image.Image:
    small_px = (size_px[0] // 2, size_px[1] // 2)
    noise = Image.frombytes("L", small_px, random.Random(seed).randbytes(small_px[0] * small_px[1]))
    return noise.resize(size_px).convert("RGB")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


LOREM = (
    "I hereby cancel the contract named above",
    "with effect from the next possible day, and",
    "ask you to confirm this in writing. I revoke",
    "the direct debit that I had granted to you.",
)

SAMPLES: Sequence[Sample] = (
    Sample(name="photo.jpg", mime="image/jpeg", make=partial(oriented_jpeg, 6), verdict=Verdict.RENDERED),
    Sample(name="screenshot.png", mime="image/png", make=screenshot_png, verdict=Verdict.RENDERED),
    Sample(name="animation.gif", mime="image/gif", make=animated_gif, verdict=Verdict.RENDERED),
    Sample(name="phone.heic", mime="image/heic", make=heic, verdict=Verdict.RENDERED),
    Sample(
        name="camera.avif",
        mime="image/avif",
        make=partial(_saved_photo, "AVIF", speed=9, max_threads=1),
        verdict=Verdict.RENDERED,
    ),
    Sample(name="photo.webp", mime="image/webp", make=partial(_saved_photo, "WEBP"), verdict=Verdict.RENDERED),
    Sample(name="paint.bmp", mime="image/bmp", make=partial(_saved_photo, "BMP", (640, 480)), verdict=Verdict.RENDERED),
    Sample(
        name="fax.tiff",
        mime="image/tiff",
        make=partial(_saved_photo, "TIFF", compression="tiff_lzw"),
        verdict=Verdict.RENDERED,
    ),
    Sample(name="invoice.pdf", mime="application/pdf", make=letter_pdf, verdict=Verdict.RENDERED),
    Sample(name="scan.pdf", mime="application/pdf", make=scan, verdict=Verdict.RENDERED),
    Sample(
        name="huge-box.pdf",
        mime="application/pdf",
        make=partial(letter_pdf, "Poster", box_points=(12_000, 16_970)),
        verdict=Verdict.RENDERED,
    ),
    Sample(
        name="encrypted.pdf",
        mime="application/pdf",
        make=partial(encrypted_pdf, "secret"),
        verdict=Verdict.ENCRYPTED,
    ),
    Sample(name="truncated.jpg", mime="image/jpeg", make=truncated_jpeg, verdict=Verdict.PARTIAL),
    Sample(name="bomb.png", mime="image/png", make=bomb_png, verdict=Verdict.BOMB),
    Sample(name="not-an-image.exe.jpg", mime="image/jpeg", make=program_exe, verdict=Verdict.UNSUPPORTED),
    Sample(name="logo.png", mime="image/png", make=web_page, verdict=Verdict.UNSUPPORTED),
    Sample(name="empty.jpg", mime="image/jpeg", make=bytes, verdict=Verdict.CORRUPT),
)
