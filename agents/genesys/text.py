"""The text that is posted: the template of the settings, filled in."""

import re
from string import Formatter
from typing import Final

from agents.genesys.links import Link

MAX_TEXT_CHARACTERS: Final = 2_000  # Genesys: message text
MAX_FILE_NAME_CHARACTERS: Final = 255
ELLIPSIS: Final = "…"
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def message_text(template: str, link: Link) -> str:
    """Fill in `template`; at most 2,000 characters.

    File names are cut first, then the words around the address; never the address. Values are put in once and never
    looked at again, so a file named `{url}` stays that.
    """
    file_name = _cut(_one_line(link.file_name), MAX_FILE_NAME_CHARACTERS)
    text = _fill(template, link, file_name)
    while len(text) > MAX_TEXT_CHARACTERS and file_name:
        file_name = _cut(file_name, min(len(file_name) - 1, len(file_name) // 2))
        text = _fill(template, link, file_name)
    return text if len(text) <= MAX_TEXT_CHARACTERS else _around_url(text, link.url)


def own_text(template: str) -> re.Pattern[str]:
    """Return a pattern that matches, as a whole, the texts that `template` makes: the guard against our own echo."""
    parts = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(re.escape(literal))
        if name is not None:
            parts.append(r"https?://\S+" if name == "url" else ".*?")
    return re.compile("".join(parts), re.DOTALL)


def _fill(template: str, link: Link, file_name: str) -> str:
    values = {
        "url": link.url,
        "file_name": file_name,
        "format": link.preview_format,
        "size_bytes": str(link.size_bytes),
    }
    parts = []
    for literal, name, _, _ in Formatter().parse(template):
        parts += [literal, "" if name is None else values[name]]
    return "".join(parts)


def _around_url(text: str, url: str) -> str:
    """Cut the words, first those behind the address; an address longer than a message is sent whole all the same."""
    head, _, tail = text.partition(url)
    room = max(0, MAX_TEXT_CHARACTERS - len(url))
    head = _cut(head, room)
    return head + url + _cut(tail, room - len(head))


def _cut(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    return text[: characters - 1] + ELLIPSIS if characters > 0 else ""


def _one_line(text: str) -> str:
    return CONTROL.sub(" ", text)
