import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.rendering.sniff import FileType, contradiction, sniff
from tests.harness.files import photo, saved
from tests.harness.pdf_files import letter_pdf

SMALL = photo((64, 48))


@pytest.mark.parametrize("file_type", ["jpeg", "png", "gif", "webp", "bmp", "tiff", "avif", "ico", "jpeg2000"])
def test_pictures_are_known_by_their_bytes(file_type: str) -> None:
    assert sniff(saved(SMALL, file_type.upper())).type is FileType(file_type)


@pytest.mark.parametrize(
    ("head", "file_type"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", FileType.HEIC),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", FileType.AVIF),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf", FileType.HEIC),
        (b"\r\n  junk\n" + letter_pdf(), FileType.PDF),
        (b"<?xml version='1.0'?>\n<svg xmlns='x'/>", FileType.SVG),
        ("\ufeff<svg xmlns='x'/>".encode("utf-16-le"), FileType.SVG),
    ],
)
def test_containers_are_known_by_their_brands(head: bytes, file_type: FileType) -> None:
    assert sniff(head).type is file_type


@pytest.mark.parametrize(
    ("data", "description"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "a web page (HTML)"),
        (b"\xef\xbb\xbf <HTML>", "a web page (HTML)"),
        (b"<?xml version='1.0'?>\n<page xmlns='x'/>", "an XML document"),
        (b"MZ\x90\0", "a Windows program"),
        (b"PK\3\4" + b"\0" * 26 + b"word/document.xml", "a Word document"),
        (b"PK\3\4" + b"\0" * 26 + b"notes.txt", "a ZIP archive"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "a video (MP4 or QuickTime)"),
        (b"\x1a\x45\xdf\xa3", "a video (Matroska or WebM)"),
        (b"RIFF\0\0\0\0AVI LIST", "a video (AVI)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a PostScript document"),
        (b"Dear colleagues,\n", "a text file"),
        (b"BM is how this letter begins, by chance", "a text file"),
        (bytes(range(128, 256)), "a file of unknown type"),
    ],
)
def test_what_gets_no_preview_is_named_for_what_it_is(data: bytes, description: str) -> None:
    assert sniff(data) == (None, description)


@given(st.binary(max_size=200), st.text(max_size=40), st.none() | st.text(max_size=40))
def test_no_bytes_and_no_name_break_the_sniffer(data: bytes, name: str, mime: str | None) -> None:
    contradiction(sniff(data), name, mime)


@pytest.mark.parametrize(
    ("name", "mime", "claims"),
    [
        ("a.png", "image/png", None),
        ("A.PNG", "image/PNG; charset=binary", None),
        ("a", None, None),
        ("a.png", "application/octet-stream", None),
        ("a.jpg", "image/png", "named .jpg"),
        ("a.png", "image/jpeg", "declared as image/jpeg"),
        ("a.exe", "text/html", "named .exe and declared as text/html"),
    ],
)
def test_contradictions_are_told(name: str, mime: str | None, claims: str | None) -> None:
    assert contradiction(sniff(saved(SMALL, "PNG")), name, mime) == claims
