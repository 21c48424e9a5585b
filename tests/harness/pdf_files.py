"""PDF files written by hand: a letter, a scan, a page of twelve thousand points, a file behind a password."""

from collections.abc import Callable, Sequence
from hashlib import md5

# ISO 32000-1, 7.6.3.3: what passwords are filled up with.
PASSWORD_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
PERMISSIONS = -4
FILE_ID = bytes(range(16))

Cipher = Callable[[int, bytes], bytes]


def letter_pdf(title: str = "Invoice 4711", *, box_points: tuple[int, int] = (595, 842)) -> bytes:
    """One page of text, rules and a filled head, as a program would write it."""
    return _page(_letter(title, box_points), box_points)


def drawn_pdf(content: bytes, box_points: tuple[int, int]) -> bytes:
    """One page with these drawing operators."""
    return _page(content, box_points)


def scan_pdf(jpeg: bytes, size_px: tuple[int, int]) -> bytes:
    """One page that is one JPEG, as a scanner writes it."""
    width, height = size_px
    image = _stream(
        b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB /BitsPerComponent 8"
        b" /Filter /DCTDecode" % (width, height),
        jpeg,
    )
    return _page(b"q 595 0 0 842 0 0 cm /Scan Do Q", (595, 842), (image,), b"/XObject << /Scan 6 0 R >>")


def encrypted_pdf(user_password: str, title: str = "Payslip") -> bytes:
    """A letter behind a user password: standard security handler, revision 2 (40-bit RC4); "" opens for anybody."""
    box_points = (595, 842)
    owner = _rc4(md5(_padded("owner")).digest()[:5], _padded(user_password))
    permissions = PERMISSIONS.to_bytes(4, "little", signed=True)
    key = md5(_padded(user_password) + owner + permissions + FILE_ID).digest()[:5]
    user = _rc4(key, PASSWORD_PADDING)
    trailer = b"/Encrypt << /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P %d >> /ID [<%s> <%s>]" % (
        owner.hex().encode(),
        user.hex().encode(),
        PERMISSIONS,
        FILE_ID.hex().encode(),
        FILE_ID.hex().encode(),
    )

    def cipher(number: int, data: bytes) -> bytes:
        return _rc4(md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10], data)

    return _page(_letter(title, box_points), box_points, trailer=trailer, cipher=cipher)


def _letter(title: str, box_points: tuple[int, int]) -> bytes:
    width, height = box_points
    unit = width / 595
    lines = [f"0.12 0.29 0.49 rg 0 {height - 90 * unit} {width} {90 * unit} re f", "1 1 1 rg"]
    lines.append(_text(title, 50 * unit, height - 58 * unit, 30 * unit, "F2"))
    lines.append("0 0 0 rg")
    for number, text in enumerate(LETTER):
        lines.append(_text(text, 50 * unit, height - (150 + 24 * number) * unit, 15 * unit, "F1"))
    for number in range(7):
        y = height - (500 + 30 * number) * unit
        lines.append(f"0.5 w {50 * unit} {y} m {545 * unit} {y} l S")
        if number < len(TABLE):
            lines.append(_text(TABLE[number], 56 * unit, y - 20 * unit, 14 * unit, "F1"))
    return "\n".join(lines).encode()


def _text(text: str, x: float, y: float, size: float, font: str) -> str:
    return f"BT /{font} {size:.2f} Tf {x:.2f} {y:.2f} Td ({text}) Tj ET"


LETTER = (
    "Dear Ms Example,",
    "",
    "thank you for your order of the third of March.",
    "Please find below what we delivered, and what we",
    "ask you to transfer within fourteen days.",
    "",
    "Should anything be missing, just answer this mail;",
    "a colleague will look after it on the same day.",
    "",
    "With kind regards",
    "The Sample Company",
)
TABLE = (
    "2 x   Garden chair, oak                   129.00",
    "1 x   Garden table, oak                   349.00",
    "4 x   Cushion, green                          19.50",
    "1 x   Delivery                                      0.00",
    "       Total                                       685.00 EUR",
)


def _page(
    content: bytes,
    box_points: tuple[int, int],
    more: Sequence[bytes] = (),
    resources: bytes = b"",
    *,
    trailer: bytes = b"",
    cipher: Cipher | None = None,
) -> bytes:
    fonts = b"/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> /F2 4 0 R >>"
    body = cipher(5, content) if cipher else content
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 5 0 R /Resources << %s %s >> >>"
        % (*box_points, fonts, resources),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
        _stream(b"", body),
        *more,
    )
    return _file(objects, trailer)


def _file(objects: Sequence[bytes], trailer: bytes) -> bytes:
    data = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return bytes(data)


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(data), data)


def _padded(password: str) -> bytes:
    return (password.encode("latin-1") + PASSWORD_PADDING)[:32]


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    out = bytearray()
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
