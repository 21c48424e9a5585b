"""Which way to a small picture is the cheapest: `python -m bench.routes` prints the table of docs/rendering.md.

CPU of this process in milliseconds, median of several runs that take turns, in a warm process without confinement.
The pictures are drawn ones with grain; `python -m bench.render` compares whole products on photographs.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median

from PIL import Image

from agents.rendering import decoders, engine
from agents.rendering.picture import encoded
from agents.rendering.sniff import FileType, sniff
from agents.rendering.verdicts import Limits
from tests.harness.files import photo, saved, screenshot_png

RUNS = 7
EDGE_PX = 300
SIZES_PX = ((1155, 866), (2309, 1732), (4000, 3000))

Route = Callable[[bytes], object]


def whole_then_lanczos(data: bytes) -> Image.Image:
    """The plain way: decode all of it, then resample all pixels."""
    with Image.open(BytesIO(data)) as image:
        image.load()
        return image.resize((EDGE_PX, EDGE_PX * image.height // image.width), Image.Resampling.LANCZOS)


def pillow_alone(data: bytes) -> Image.Image:
    """Pillow with what its decoders can leave out."""
    file_type = file_type_of(data)
    with Image.open(BytesIO(data)) as image:
        return decoders.thorough(image, data, file_type, EDGE_PX).image


def chosen(data: bytes) -> Image.Image:
    """The way that the product takes."""
    file_type = file_type_of(data)
    with Image.open(BytesIO(data)) as image:
        return decoders.small(image, data, file_type, EDGE_PX).image


def file_type_of(data: bytes) -> FileType:
    file_type = sniff(data).type
    assert file_type is not None
    return file_type


ROUTES: Mapping[str, Route] = {"all pixels": whole_then_lanczos, "Pillow": pillow_alone, "chosen": chosen}


def samples() -> Iterator[tuple[str, Callable[[], bytes]]]:
    for size_px in SIZES_PX:
        megapixels = f"{size_px[0] * size_px[1] / 1e6:.0f} MP"
        yield f"JPEG {megapixels}", partial(drawn, size_px, "JPEG", quality=88)
        yield f"progressive JPEG {megapixels}", partial(drawn, size_px, "JPEG", quality=88, progressive=True)
        yield f"PNG {megapixels}", partial(drawn, size_px, "PNG")
        yield f"WebP {megapixels}", partial(drawn, size_px, "WEBP", quality=85, method=0)
        yield f"AVIF {megapixels}", partial(drawn, size_px, "AVIF", speed=10)
    yield "screenshot PNG 1 MP, alpha", screenshot_png


def drawn(size_px: tuple[int, int], file_format: str, **options: object) -> bytes:
    return saved(photo(size_px), file_format, **options)


def cpu_ms(routes: Mapping[str, Route], data: bytes) -> dict[str, float]:
    """Run the routes by turns, so that whatever else the machine does meets all of them."""
    found: dict[str, list[float]] = {name: [] for name in routes}
    for _ in range(RUNS):
        for name, route in routes.items():
            started = time.process_time()
            route(data)
            found[name].append(time.process_time() - started)
    return {name: 1000 * median(seconds[1:]) for name, seconds in found.items()}


def main(files: list[str]) -> None:
    engine.preload()
    given = [(Path(file).name, Path(file).read_bytes) for file in files]
    print(f"| file | bytes | {' | '.join(f'{name}, ms' for name in ROUTES)} | way |")
    print(f"| --- | ---: |{' ---: |' * len(ROUTES)} --- |")
    for name, make in given or samples():
        data = make()
        with Image.open(BytesIO(data)) as image:
            way = decoders.small(image, data, file_type_of(data), EDGE_PX).engine
        times = cpu_ms(ROUTES, data)
        print(f"| {name} | {len(data):,} | {' | '.join(f'{value:.1f}' for value in times.values())} | {way} |")
    encode = cpu_ms({"": lambda _: encoded(photo((300, 225)), Limits())}, b"")[""]
    draw = cpu_ms({"": lambda _: photo((300, 225))}, b"")[""]
    print(f"\nEncoding 300 x 225 as WebP: {encode - draw:.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1:])
