"""The mix of files: 60 % JPEG photographs, 20 % PNG, 15 % PDF, 5 % others, and a few more of the rarer formats.

The same seed gives the same files. They are kept between runs, outside the checkout.
"""

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pillow_heif
from PIL import Image

from bench.corpus import parts
from bench.corpus.documents import scanned_pdf, text_pdf, vector_pdf
from bench.corpus.photographs import Photographs
from bench.corpus.screenshots import screenshot
from tests.harness.files import animated_gif, saved
from tools.command import say

VERSION: Final = 1
"""Raise it when other files are made."""
JPEG_MEGAPIXELS: Final = (1.0, 24.0)
PNG_MEGAPIXELS: Final = (0.7, 4.0)
ASPECTS: Final = ((4, 3), (3, 2), (3, 4), (16, 9))
SCREENS_PX: Final = ((1920, 1080), (1366, 768), (2560, 1440), (1920, 1080), (3840, 2160))
INDEX: Final = "index.json"

Made = tuple[str, bytes]
Maker = Callable[[], Made]


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the corpus; those that are not in the mix are there for the figures by format."""

    name: str
    format: str
    in_mix: bool


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files in a folder, in the order in which they are rendered."""

    folder: Path
    origin: str
    sources: tuple[Source, ...]

    @property
    def in_mix(self) -> list[Source]:
        """Return the files of the mix."""
        return [source for source in self.sources if source.in_mix]

    def path(self, source: Source) -> Path:
        """Return where a file is."""
        return self.folder / source.name


@dataclass(frozen=True, slots=True)
class Shares:
    """How many files there are of each kind."""

    jpeg: int = 60
    png: int = 20
    pdf: int = 15
    other: int = 1
    """Of WebP, AVIF, HEIC, GIF and TIFF each."""
    more: int = 5
    """Of WebP and AVIF each, beside the mix."""


QUICK: Final = Shares(jpeg=12, png=4, pdf=3, other=1, more=1)


def corpus(seed: int, shares: Shares) -> Corpus:
    """Return the corpus of a seed, made now unless it was made before."""
    rng = random.Random(seed)
    photographs = Photographs.from_debian(rng)
    kind = "drawn" if photographs.origin.startswith("drawn") else "taken"
    count = "-".join(map(str, asdict(shares).values()))

    def make(folder: Path) -> None:
        _write(folder, photographs, _makers(rng, photographs, shares), rng)

    folder = parts.keep(f"corpus-{VERSION}-{kind}-{count}-seed-{seed}", make)
    index: dict[str, Any] = json.loads((folder / INDEX).read_text())
    return Corpus(folder, index["origin"], tuple(Source(**source) for source in index["sources"]))


def spread(low: float, high: float, count: int) -> list[float]:
    """Return numbers from low to high, each the same factor above the one before."""
    if count == 1:
        return [math.sqrt(low * high)]
    return [low * (high / low) ** (number / (count - 1)) for number in range(count)]


def size_of(megapixels: float, aspect: tuple[int, int]) -> tuple[int, int]:
    """Return the size in pixels of a picture."""
    unit = math.sqrt(megapixels * 1e6 / (aspect[0] * aspect[1]))
    return round(aspect[0] * unit), round(aspect[1] * unit)


def _write(folder: Path, photographs: Photographs, makers: Sequence[tuple[Maker, bool]], rng: random.Random) -> None:
    sources = []
    for number, (maker, in_mix) in enumerate(makers):
        kind, data = maker()
        source = Source(f"{number:03}.{kind}", kind, in_mix)
        (folder / source.name).write_bytes(data)
        sources.append(asdict(source))
        if number % 20 == 19:
            say(f"corpus: {number + 1} of {len(makers)} files")
    rng.shuffle(sources)
    (folder / INDEX).write_text(json.dumps({"origin": photographs.origin, "sources": sources}))


def _makers(rng: random.Random, photographs: Photographs, shares: Shares) -> list[tuple[Maker, bool]]:
    mix = [*_jpegs(rng, photographs, shares.jpeg), *_pngs(rng, photographs, shares.png), *_pdfs(rng, shares.pdf)]
    for _ in range(shares.other):
        mix += _others(photographs)
    more = [maker for size in spread(1, 12, shares.more) for maker in _modern(photographs, size)]
    return [*((maker, True) for maker in mix), *((maker, False) for maker in more)]


def _jpegs(rng: random.Random, photographs: Photographs, count: int) -> Iterator[Maker]:
    """Every sixth is progressive, every fifth was taken with the camera held upright."""
    for number, megapixels in enumerate(spread(*JPEG_MEGAPIXELS, count)):
        size_px = size_of(megapixels, ASPECTS[number % len(ASPECTS)])
        exif = Image.Exif()
        exif[0x0112] = 6 if number % 5 == 4 else 1
        options = {"quality": rng.randint(88, 95), "progressive": number % 6 == 5, "exif": exif}
        yield lambda size_px=size_px, options=options: ("jpeg", saved(photographs.take(size_px), "JPEG", **options))  # type: ignore[misc]


def _pngs(rng: random.Random, photographs: Photographs, count: int) -> Iterator[Maker]:
    """Photographs and screenshots in turn; one of the screenshots has a palette."""
    sizes = spread(*PNG_MEGAPIXELS, (count + 1) // 2)
    for number in range(count):
        if number % 2 == 0:
            size_px = size_of(sizes[number // 2], ASPECTS[number % len(ASPECTS)])
            yield lambda size_px=size_px: ("png", saved(photographs.take(size_px), "PNG"))  # type: ignore[misc]
        else:
            screen_px = SCREENS_PX[number // 2 % len(SCREENS_PX)]
            yield lambda screen_px=screen_px, palette=number == 3: (  # type: ignore[misc]
                "png",
                _screenshot_png(rng, photographs, screen_px, palette=palette),
            )


def _screenshot_png(rng: random.Random, photographs: Photographs, size_px: tuple[int, int], *, palette: bool) -> bytes:
    picture = screenshot(rng, photographs, size_px)
    return saved(picture.quantize(256) if palette else picture, "PNG")


def _pdfs(rng: random.Random, count: int) -> Iterator[Maker]:
    """Seven of fifteen are text, five are scans, three are drawings."""
    for number in range(count):
        match number % 15:
            case 0 | 3 | 6 | 8 | 10 | 12 | 14:
                yield lambda pages=1 + number % 6: ("pdf", text_pdf(rng, pages))  # type: ignore[misc]
            case 2 | 7 | 11:
                yield lambda strokes=600 * (1 + number // 4): ("pdf", vector_pdf(rng, strokes))  # type: ignore[misc]
            case _:
                yield lambda: ("pdf", scanned_pdf(rng))


def _others(photographs: Photographs) -> Iterator[Maker]:
    yield from _modern(photographs, 2.0)
    yield lambda: ("heic", _phone_heic(photographs))
    yield lambda: ("gif", animated_gif())
    yield lambda: ("tiff", saved(photographs.take((2048, 1536)), "TIFF", compression="tiff_lzw"))


def _modern(photographs: Photographs, megapixels: float) -> Iterator[Maker]:
    size_px = size_of(megapixels, (4, 3))
    yield lambda: ("webp", saved(photographs.take(size_px), "WEBP", quality=82, method=2))
    yield lambda: ("avif", saved(photographs.take(size_px), "AVIF", quality=70, speed=8))


def _phone_heic(photographs: Photographs) -> bytes:
    """Twelve megapixels with a small picture of 320 pixels embedded, as phones write it."""
    buffer = BytesIO()
    pillow_heif.from_pillow(photographs.take((4032, 3024))).save(buffer, quality=55, thumbnails=[320])
    return buffer.getvalue()
