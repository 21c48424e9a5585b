"""Files made to hurt, small and the same at every run: the least that is tried where the public test files are not."""

import random
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO

from PIL import Image

from tests.harness.files import SAMPLES, photo, saved

MUTATIONS = 12
MEGABYTE = 1_000_000


def nasties() -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes: the samples, files built to hurt, and samples damaged at random places."""
    for sample in SAMPLES:
        yield sample.name, sample.make()
    for name, make in BUILT.items():
        yield name, make()
    for sample in SAMPLES:
        yield from _damaged(sample.name, sample.make())


def _damaged(name: str, whole: bytes) -> Iterator[tuple[str, bytes]]:
    dice = random.Random(name)
    for number in range(MUTATIONS if whole else 0):
        data = bytearray(whole[: dice.randrange(len(whole))] if number % 3 == 0 else whole)
        for _ in range(dice.choice((1, 4, 40))):
            if data:
                data[int(len(data) * dice.random() ** 3)] = dice.randrange(256)  # mostly near the start, in the headers
        yield f"damaged-{number}-{name}", bytes(data)


def _png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8, colour: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in ((b"IHDR", header), *chunks, (b"IEND", b"")))


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _zeros(megabytes: int, more_bytes: int = 0) -> bytes:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(megabytes))
    return packed + packer.compress(bytes(more_bytes)) + packer.flush()


def png_with_profile_bomb() -> bytes:
    """A small picture whose colour profile unpacks to 300 MB."""
    return _png(8, 8, (b"iCCP", b"p\0\0" + _zeros(300)), (b"IDAT", zlib.compress((b"\0" + bytes(24)) * 8)))


def png_with_text_bomb() -> bytes:
    """A small picture with 300 MB of packed text before it."""
    return _png(8, 8, (b"zTXt", b"t\0\0" + _zeros(300)), (b"IDAT", zlib.compress((b"\0" + bytes(24)) * 8)))


def png_just_allowed() -> bytes:
    """49 megapixels of 16 bits with alpha, all black."""
    return _png(7000, 7000, (b"IDAT", _zeros(*divmod(7000 * (7000 * 8 + 1), MEGABYTE))), depth=16, colour=6)


def png_that_breaks_off_late() -> bytes:
    """49 megapixels, of which the last rows are missing."""
    return _png(7000, 7000, (b"IDAT", _zeros(130)))


def apng_of_many_frames() -> bytes:
    """A loop that claims a million frames."""
    return _png(
        2000,
        2000,
        (b"acTL", struct.pack(">II", 1_000_000, 0)),
        (b"IDAT", zlib.compress((b"\0" + bytes(6000)) * 2000, 9)),
    )


def jpeg_of_claimed_size(marker: int = 0xC0) -> bytes:
    """A header of 65500 x 65500 pixels before nothing."""
    frame = struct.pack(">BHHB", 8, 65_500, 65_500, 3) + b"\1\x22\0\2\x11\1\3\x11\1"
    return b"\xff\xd8\xff" + bytes([marker]) + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


def jpeg_of_many_scans() -> bytes:
    """A progressive picture of 40 megapixels, its last scan said a thousand times over."""
    whole = saved(Image.new("RGB", (8000, 5000), (90, 120, 60)), "JPEG", progressive=True, quality=30)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * 1000 + b"\xff\xd9"


def gif_of_many_frames() -> bytes:
    """A canvas of 4000 x 4000, drawn on ten thousand times."""
    frame = b"\x2c" + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\2\2\x44\1\0"
    return b"GIF89a" + struct.pack("<HH", 4000, 4000) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff" + frame * 10_000 + b"\x3b"


def webp_of_claimed_size() -> bytes:
    """A lossless header of 16384 x 16384 pixels."""
    body = b"WEBPVP8L" + struct.pack("<I", 5) + b"\x2f\xff\xff\xff\x0f\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(width: int, height: int, *, next_page: int = 0, strips: int = 1) -> bytes:
    """A TIFF that has only a header: sizes as claimed, strips that lie beyond its end."""
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, strips, 8),
        (277, 3, 1, 1),
        (278, 4, 1, 1),
        (279, 4, strips, 8),
    ]
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", next_page)


def bmp_of_claimed_size() -> bytes:
    """A header of two thousand million rows."""
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 70, 0, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0)


def icon_with_a_bomb() -> bytes:
    """An icon that holds a picture of 20000 x 20000."""
    bomb = _png(20_000, 20_000, (b"IDAT", _zeros(20)), depth=1, colour=0)
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(bomb), 22) + bomb


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog. Without a table: readers rebuild it."""
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % (number, text) for number, text in enumerate(objects, start=1))
    return b"%PDF-1.7\n" + body + b"trailer\n<</Root 1 0 R %b>>\n%%%%EOF\n" % trailer


def pdf_page(content: bytes, resources: bytes = b"", entries: bytes = b"") -> bytes:
    """A page of A4 with this content."""
    return pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<<%b>>>>" % resources,
        b"<</Length %d%b>>\nstream\n%b\nendstream" % (len(content), entries, content),
    )


def pdf_of_itself() -> bytes:
    """A tree of pages whose only branch is its root."""
    return pdf(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 99999999>>")


def pdf_form_of_itself() -> bytes:
    """A drawing that draws itself, twice."""
    return pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</F 5 0 R>>>>>>",
        b"<</Length 8>>\nstream\n/F Do\n\nendstream",
        b"<</Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<</XObject<</F 5 0 R>>>>/Length 14>>\n"
        b"stream\n/F Do /F Do\n\nendstream",
    )


def pdf_of_a_bomb() -> bytes:
    """A page whose content unpacks to 300 MB."""
    return pdf_page(_zeros(300), entries=b"/Filter/FlateDecode")


def pdf_of_many_strokes() -> bytes:
    """Two million dashed lines, packed."""
    lines = b"[1 1] 0 d " + b"0 0 m 595 842 l S 595 0 m 0 842 l S\n" * 1_000_000
    return pdf_page(zlib.compress(lines, 1), entries=b"/Filter/FlateDecode")


def pdf_picture(edge_px: int) -> bytes:
    """A page with a grey picture of this size, all black."""
    row = zlib.compressobj(9)
    data = b"".join(row.compress(bytes(edge_px)) for _ in range(edge_px)) + row.flush()
    return pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</P 5 0 R>>>>>>",
        b"<</Length 26>>\nstream\nq 595 0 0 842 0 0 cm /P Do\nendstream",
        b"<</Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 8/ColorSpace/DeviceGray"
        b"/Filter/FlateDecode/Length %d>>\nstream\n%b\nendstream" % (edge_px, edge_px, len(data), data),
    )


def svg_of_entities() -> bytes:
    """A thousand million laughs."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY l0 "ha">{entities}]><svg><text>&l9;</text></svg>'.encode()


def svg_that_looks_around() -> bytes:
    """A drawing that wants files and addresses."""
    wanted = ("file:///etc/passwd", "http://127.0.0.1:9/x.png", "//127.0.0.1/x", "/proc/self/environ")
    images = "".join(f'<image href="{address}" width="100" height="100"/>' for address in wanted)
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200">{images}</svg>'.encode()


def svg_of_copies() -> bytes:
    """Groups that use groups, ten million shapes in all."""
    groups = "".join(f'<g id="g{n}">{f"<use href={chr(34)}#g{n - 1}{chr(34)}/>" * 10}</g>' for n in range(1, 8))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200"><defs><rect id="g0" width="9" height="9"/>'
        f'{groups}</defs><use href="#g7"/></svg>'
    ).encode()


def svg_of_claimed_size() -> bytes:
    """A drawing of a million pixels a side, blurred."""
    return (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="1000000" height="1000000"><filter id="f" width="9" height="9">'
        b'<feGaussianBlur stdDeviation="100000"/></filter><rect width="900000" height="900000" filter="url(#f)"/></svg>'
    )


def boxes_in_boxes(brand: bytes) -> bytes:
    """Boxes of an ISO file nested ten thousand deep."""
    depth = 10_000
    nested = b"".join(struct.pack(">I4s", 8 * (depth - level), b"meta") for level in range(depth))
    return struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 0, brand) + nested


def two_in_one() -> bytes:
    """A JPEG that is a PDF as well."""
    buffer = BytesIO()
    photo((320, 240)).save(buffer, "JPEG", comment=b"%PDF-1.4")
    return buffer.getvalue() + b"\n%%EOF"


BUILT: Mapping[str, Callable[[], bytes]] = {
    "profile-bomb.png": png_with_profile_bomb,
    "text-bomb.png": png_with_text_bomb,
    "just-allowed.png": png_just_allowed,
    "breaks-off-late.png": png_that_breaks_off_late,
    "million-frames.png": apng_of_many_frames,
    "claimed-size.jpg": jpeg_of_claimed_size,
    "claimed-size-progressive.jpg": partial(jpeg_of_claimed_size, 0xC2),
    "thousand-scans.jpg": jpeg_of_many_scans,
    "many-frames.gif": gif_of_many_frames,
    "claimed-size.webp": webp_of_claimed_size,
    "claimed-size.tiff": partial(tiff, 2**31, 2**31),
    "claimed-size-allowed.tiff": partial(tiff, 7000, 7000),
    "pages-for-ever.tiff": partial(tiff, 10, 10, next_page=8),
    "many-strips.tiff": partial(tiff, 10, 10, strips=2**30),
    "claimed-size.bmp": bmp_of_claimed_size,
    "bomb.ico": icon_with_a_bomb,
    "page-of-itself.pdf": pdf_of_itself,
    "form-of-itself.pdf": pdf_form_of_itself,
    "content-bomb.pdf": pdf_of_a_bomb,
    "strokes.pdf": pdf_of_many_strokes,
    "picture.pdf": partial(pdf_picture, 12_000),
    "entities.svg": svg_of_entities,
    "looks-around.svg": svg_that_looks_around,
    "copies.svg": svg_of_copies,
    "claimed-size.svg": svg_of_claimed_size,
    "boxes.heic": partial(boxes_in_boxes, b"heic"),
    "boxes.avif": partial(boxes_in_boxes, b"avif"),
    "two-in-one.pdf": two_in_one,
}
