"""PDFs as people send them: pages of text, scans, and drawings of many strokes."""

import math
import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFont

from tests.harness.files import saved
from tests.harness.pdf_files import scan_pdf

A4_POINTS: Final = (595, 842)
SCAN_SIZE_PX: Final = (1654, 2339)  # A4 at 200 dpi
TEXT: Final = (
    "the order of your table was sent in March and we ask you to pay within fourteen days because our delivery came "
    "late please find below what is still missing a colleague will answer this message number amount total"
)
WORDS: Final = TEXT.split()


def text_pdf(rng: random.Random, pages: int) -> bytes:
    """Return pages full of text in two fonts, with rules between the paragraphs."""
    return _file([b"\n".join(_text_page(rng)) for _ in range(pages)])


def vector_pdf(rng: random.Random, strokes: int) -> bytes:
    """Return a page with contour lines, as maps and plans have them."""
    return _file([b"\n".join(_contours(rng, strokes))])


def scanned_pdf(rng: random.Random) -> bytes:
    """Return a page that is one JPEG of a printed sheet."""
    paper = Image.new("L", SCAN_SIZE_PX, 246)
    draw = ImageDraw.Draw(paper)
    font = ImageFont.load_default(36)
    for top in range(220, 2100, 58):
        draw.text((180, top), _words(rng, 11), font=font, fill=40)
    grain = Image.frombytes("L", SCAN_SIZE_PX, rng.randbytes(SCAN_SIZE_PX[0] * SCAN_SIZE_PX[1]))
    noisy = ImageChops.add(paper.rotate(rng.uniform(-1, 1), fillcolor=200), grain.point(lambda at: at // 16), 1, -8)
    return scan_pdf(saved(noisy.convert("RGB"), "JPEG", quality=80), SCAN_SIZE_PX)


def _text_page(rng: random.Random) -> Iterator[bytes]:
    yield f"BT /F2 20 Tf 60 770 Td ({_words(rng, 4)}) Tj ET".encode()
    for line in range(48):
        y = 740 - 14 * line
        if line % 8 == 7:
            yield f"0.6 w 60 {y + 4} m 535 {y + 4} l S".encode()
        else:
            yield f"BT /F1 10.5 Tf 60 {y} Td ({_words(rng, 14)}) Tj ET".encode()


def _contours(rng: random.Random, strokes: int) -> Iterator[bytes]:
    for _ in range(strokes):
        centre = (rng.uniform(40, 555), rng.uniform(40, 800))
        points = _bumpy_circle(centre, rng.uniform(4, 120), rng.randint(2, 6))
        colour = " ".join(f"{rng.random():.2f}" for _ in range(3))
        paint = f"{colour} rg f" if rng.random() < 0.1 else "S"
        yield f"{rng.uniform(0.2, 1.2):.2f} w {colour} RG {points[0]} m {' l '.join(points[1:])} l {paint}".encode()


def _bumpy_circle(centre: tuple[float, float], radius: float, bumps: int) -> list[str]:
    points = []
    for step in range(33):
        angle = step / 32 * math.tau
        distance = radius * (1 + 0.25 * math.sin(bumps * angle))
        points.append(f"{centre[0] + distance * math.cos(angle):.1f} {centre[1] + distance * math.sin(angle):.1f}")
    return points


def _words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(WORDS, k=count))


def _file(contents: Sequence[bytes]) -> bytes:
    """Write pages whose contents are compressed, as every program does."""
    first = 5  # objects 1 to 4 are catalogue, page tree and two fonts; then a page and its content in turn
    kids = b" ".join(b"%d 0 R" % (first + 2 * number) for number in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(contents)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
    ]
    for number, content in enumerate(contents):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>" % (*A4_POINTS, first + 2 * number + 1)
        )
        packed = zlib.compress(content)
        objects.append(b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(packed), packed))
    return _numbered(objects)


def _numbered(objects: Iterable[bytes]) -> bytes:
    data = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    data += b"".join(b"%010d 00000 n \n" % place for place in places)
    data += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, start)
    return bytes(data)
