"""The size of a WebP, read from its structure alone.

The parent uses it on what a child answers. It walks the container and reads the bitstream's header, and leaves
decoding to the children: libwebp on hostile bytes belongs inside the confinement, not outside it.
Source: RFC 9649.
"""

from collections.abc import Iterator

FRAME_HEAD_BYTES = 16


def webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a still WebP without metadata; raises ValueError for anything else."""
    chunks = list(_chunks(data))
    names = [name for name, _ in chunks]
    if names in ([b"VP8 "], [b"VP8L"]):
        return _bitstream_size(*chunks[0])
    if names not in ([b"VP8X", b"ALPH", b"VP8 "], [b"VP8X", b"VP8L"], [b"VP8X", b"VP8 "]):
        raise ValueError(f"not a still picture without metadata: {names}")
    size = _bitstream_size(*chunks[-1])
    if _canvas_size(chunks[0][1]) != size:
        raise ValueError("canvas and picture differ in size")
    return size


def animated_size(data: bytes, frames: int) -> tuple[int, int]:
    """Return width and height of an animation of so many frames without metadata; raises ValueError otherwise."""
    head, control, *rest = _chunks(data)
    if (head[0], control[0]) != (b"VP8X", b"ANIM") or [name for name, _ in rest] != [b"ANMF"] * frames:
        raise ValueError("not an animation of the stated number of frames")
    width, height = _canvas_size(head[1])
    for _, body in rest:
        x, y = 2 * int.from_bytes(body[:3], "little"), 2 * int.from_bytes(body[3:6], "little")
        across, down = int.from_bytes(body[6:9], "little") + 1, int.from_bytes(body[9:12], "little") + 1
        if x + across > width or y + down > height or _frame_size(body[FRAME_HEAD_BYTES:]) != (across, down):
            raise ValueError("a frame reaches beyond the canvas, or is not of its stated size")
    return width, height


def _frame_size(data: bytes) -> tuple[int, int]:
    chunks = list(_chunks_within(data, 0))
    if [name for name, _ in chunks] not in ([b"VP8 "], [b"VP8L"], [b"ALPH", b"VP8 "]):
        raise ValueError("not one picture in a frame")
    return _bitstream_size(*chunks[-1])


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or int.from_bytes(data[4:8], "little") != len(data) - 8:
        raise ValueError("not a WebP of the stated length")
    yield from _chunks_within(data, 12)


def _chunks_within(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if len(body) != size or at + 8 > len(data):
            raise ValueError("a chunk reaches beyond the end")
        yield data[at : at + 4], body
        at += 8 + size + size % 2


def _bitstream_size(name: bytes, body: bytes) -> tuple[int, int]:
    if name == b"VP8 ":
        if body[3:6] != b"\x9d\x01\x2a" or body[0] & 1:
            raise ValueError("not a key frame")
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if body[:1] != b"\x2f":
        raise ValueError("not a lossless picture")
    bits = int.from_bytes(body[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _canvas_size(body: bytes) -> tuple[int, int]:
    return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
