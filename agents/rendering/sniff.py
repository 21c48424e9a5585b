"""What a file really is, by its first bytes: its name and its declared type are hearsay."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import PurePath
from typing import NamedTuple

HEAD_BYTES = 4096
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
PDF_HEADER_WITHIN_BYTES = 1024  # ISO 32000-1, annex H, note 13: readers accept the header in the first 1024 bytes


class FileType(StrEnum):
    """The types that previews are made of."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"
    BMP = "bmp"
    TIFF = "tiff"
    AVIF = "avif"
    HEIC = "heic"
    ICO = "ico"
    JPEG2000 = "jpeg2000"
    SVG = "svg"
    PDF = "pdf"


class Sniffed(NamedTuple):
    """A file's type, or None and what it is instead, in words that follow "this is"."""

    type: FileType | None
    description: str


class Signature(NamedTuple):
    """Bytes that a kind of file has at an offset."""

    magic: bytes
    type: FileType | None
    description: str
    offset: int = 0


SIGNATURES: Sequence[Signature] = (
    Signature(b"\xff\xd8\xff", FileType.JPEG, "a JPEG picture"),
    Signature(b"\x89PNG\r\n\x1a\n", FileType.PNG, "a PNG picture"),
    Signature(b"GIF87a", FileType.GIF, "a GIF picture"),
    Signature(b"GIF89a", FileType.GIF, "a GIF picture"),
    Signature(b"II*\0", FileType.TIFF, "a TIFF picture"),
    Signature(b"MM\0*", FileType.TIFF, "a TIFF picture"),
    Signature(b"II+\0", FileType.TIFF, "a BigTIFF picture"),
    Signature(b"MM\0+", FileType.TIFF, "a BigTIFF picture"),
    Signature(b"\0\0\1\0", FileType.ICO, "an icon"),
    Signature(b"MZ", None, "a Windows program"),
    Signature(b"\x7fELF", None, "a Linux program"),
    Signature(b"\xcf\xfa\xed\xfe", None, "a macOS program"),
    Signature(b"\xca\xfe\xba\xbe", None, "a macOS program or Java class"),
    Signature(b"#!", None, "a script"),
    Signature(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", None, "an old Office document"),
    Signature(b"{\\rtf", None, "an RTF document"),
    Signature(b"%!PS", None, "a PostScript document"),
    Signature(b"\xc5\xd0\xd3\xc6", None, "a PostScript document"),
    Signature(b"8BPS", None, "a Photoshop document"),
    Signature(b"\0\0\0\x0cjP  \r\n\x87\n", FileType.JPEG2000, "a JPEG 2000 picture"),
    Signature(b"\xff\x4f\xff\x51", FileType.JPEG2000, "a JPEG 2000 picture"),
    Signature(b"\0\0\0\x0cJXL \r\n\x87\n", None, "a JPEG XL picture"),
    Signature(b"\xff\x0a", None, "a JPEG XL picture"),
    Signature(b"icns", None, "a macOS icon"),
    Signature(b"\x1a\x45\xdf\xa3", None, "a video (Matroska or WebM)"),
    Signature(b"OggS", None, "an Ogg audio or video"),
    Signature(b"ID3", None, "an MP3 audio"),
    Signature(b"\xff\xfb", None, "an MP3 audio"),
    Signature(b"fLaC", None, "a FLAC audio"),
    Signature(b"#!AMR", None, "an AMR audio"),
    Signature(b"\x1f\x8b", None, "a gzip archive"),
    Signature(b"7z\xbc\xaf\x27\x1c", None, "a 7-Zip archive"),
    Signature(b"Rar!\x1a\x07", None, "a RAR archive"),
    Signature(b"BZh", None, "a bzip2 archive"),
    Signature(b"\xfd7zXZ\0", None, "an XZ archive"),
    Signature(b"ustar", None, "a tar archive", offset=257),
    Signature(b"SQLite format 3\0", None, "an SQLite database"),
)

ZIP_KINDS: Sequence[tuple[bytes, str]] = (
    (b"word/", "a Word document"),
    (b"xl/", "an Excel workbook"),
    (b"ppt/", "a PowerPoint presentation"),
    (b"application/vnd.oasis.opendocument", "an OpenDocument file"),
    (b"application/epub+zip", "an e-book"),
    (b"AndroidManifest.xml", "an Android program"),
    (b"[Content_Types].xml", "an Office document"),
)

RIFF_KINDS: Mapping[bytes, Sniffed] = {
    b"WEBP": Sniffed(FileType.WEBP, "a WebP picture"),
    b"AVI ": Sniffed(None, "a video (AVI)"),
    b"WAVE": Sniffed(None, "a WAV audio"),
}

AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2", b"mif3"})

EXTENSIONS: Mapping[str, FileType] = {
    "jpg": FileType.JPEG,
    "jpeg": FileType.JPEG,
    "jpe": FileType.JPEG,
    "jfif": FileType.JPEG,
    "png": FileType.PNG,
    "apng": FileType.PNG,
    "gif": FileType.GIF,
    "webp": FileType.WEBP,
    "bmp": FileType.BMP,
    "dib": FileType.BMP,
    "tif": FileType.TIFF,
    "tiff": FileType.TIFF,
    "avif": FileType.AVIF,
    "heic": FileType.HEIC,
    "heif": FileType.HEIC,
    "hif": FileType.HEIC,
    "ico": FileType.ICO,
    "jp2": FileType.JPEG2000,
    "j2k": FileType.JPEG2000,
    "jpx": FileType.JPEG2000,
    "svg": FileType.SVG,
    "pdf": FileType.PDF,
}
MIME_TYPES: Mapping[str, FileType] = {
    **{f"image/{file_type}": file_type for file_type in FileType},
    "image/jpg": FileType.JPEG,
    "image/pjpeg": FileType.JPEG,
    "image/apng": FileType.PNG,
    "image/x-ms-bmp": FileType.BMP,
    "image/heif": FileType.HEIC,
    "image/x-icon": FileType.ICO,
    "image/vnd.microsoft.icon": FileType.ICO,
    "image/jp2": FileType.JPEG2000,
    "image/jpx": FileType.JPEG2000,
    "image/svg+xml": FileType.SVG,
    "application/pdf": FileType.PDF,
}
ANY_MIME = frozenset({"application/octet-stream", "binary/octet-stream", "image/*", ""})


def sniff(payload: bytes) -> Sniffed:
    """Tell what a file is from its first bytes; never fails."""
    head = payload[:HEAD_BYTES]
    return (
        _container(head)
        or _signed(head)
        or _bitmap(head)
        or _document(head)
        or _text(head)
        or Sniffed(None, "a file of unknown type")
    )


def contradiction(found: Sniffed, file_name: str, declared_mime: str | None) -> str | None:
    """Say which name or declared type a file's content contradicts; None when they agree or say nothing."""
    extension = PurePath(file_name).suffix.lower().removeprefix(".")
    mime = (declared_mime or "").split(";")[0].strip().lower()
    claims = []
    if extension and EXTENSIONS.get(extension) is not found.type:
        claims.append(f"named .{extension}")
    if mime not in ANY_MIME and MIME_TYPES.get(mime) is not found.type:
        claims.append(f"declared as {mime}")
    return " and ".join(claims) or None


def _signed(head: bytes) -> Sniffed | None:
    for magic, file_type, description, offset in SIGNATURES:
        if head.startswith(magic, offset):
            return Sniffed(file_type, description)
    return None


def _container(head: bytes) -> Sniffed | None:
    if head.startswith(b"RIFF"):
        return RIFF_KINDS.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _isobmff(head)
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return Sniffed(None, next((kind for mark, kind in ZIP_KINDS if mark in head), "a ZIP archive"))
    return None


def _isobmff(head: bytes) -> Sniffed:
    """Read the brands of an ISO base media file (ISO/IEC 14496-12, 4.3): major first, then the compatible ones."""
    box = head[: int.from_bytes(head[:4], "big")]
    brands = [box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))]
    if AVIF_BRANDS.intersection(brands):
        return Sniffed(FileType.AVIF, "an AVIF picture")
    if HEIF_BRANDS.intersection(brands):
        return Sniffed(FileType.HEIC, "a HEIC picture")
    if box[8:11] == b"M4A":
        return Sniffed(None, "an M4A audio")
    return Sniffed(None, "a video (MP4 or QuickTime)")


def _bitmap(head: bytes) -> Sniffed | None:
    """Two letters are weak evidence: the size of the header that follows must be one that BMP knows."""
    known_header = int.from_bytes(head[14:18], "little") in {12, 16, 40, 52, 56, 64, 108, 124}
    return Sniffed(FileType.BMP, "a BMP picture") if head.startswith(b"BM") and known_header else None


def _document(head: bytes) -> Sniffed | None:
    beginning = head[: PDF_HEADER_WITHIN_BYTES + 5]
    found = b"%PDF-" in beginning or (head.startswith(b"%") and b" 0 obj" in beginning)  # readers open these too
    return Sniffed(FileType.PDF, "a PDF document") if found else None


def _text(head: bytes) -> Sniffed | None:
    if not head:
        return Sniffed(None, "an empty file")
    if head.startswith(UTF_16_MARKS):
        head = head.decode("utf-16", "ignore").encode()
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start and start.startswith(b"<"):
        return Sniffed(FileType.SVG, "an SVG drawing")
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return Sniffed(None, "a web page (HTML)")
    if start.startswith(b"<?xml"):
        return Sniffed(None, "an XML document" if b"<html" not in start else "a web page (HTML)")
    if b"\0" not in head and head.isascii():
        return Sniffed(None, "a text file")
    return None
