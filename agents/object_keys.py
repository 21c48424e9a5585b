"""Names of stored previews: deterministic, so that rendering twice is harmless, and not to be guessed. Pure."""

import hashlib
import hmac
import re
from typing import Final

from stream.messages import Attachment, event_id
from stream.settings import Secret

CONVERSATION_HEX_DIGITS: Final = 32  # 128 bits
OBJECT_HEX_DIGITS: Final = 40  # 160 bits: with a public base URL, knowing the key is the whole access control

_OBJECT_KEY: Final = re.compile(rf"[0-9a-f]{{{CONVERSATION_HEX_DIGITS}}}/[0-9a-f]{{{OBJECT_HEX_DIGITS}}}\.webp")


def object_key(secret: Secret, attachment: Attachment, content_sha256: str, render_version: str) -> str:
    """Return the key of the preview of this attachment with this content, as `<conversation>/<object>.webp`.

    The key has nothing of the sender's text in it. The event id stands for the attachment, so the same file sent twice
    is two objects with a life each, and nothing is ever shared between conversations.

    Args:
        secret: The deployment's; another secret gives other keys for everything.
        attachment: What was dropped.
        content_sha256: Of the file, in hex.
        render_version: Changes when the same file would give another picture.
    """
    name = _mac(
        secret, "object", attachment.conversation_id, event_id(attachment), content_sha256.lower(), render_version
    )
    return f"{conversation_prefix(secret, attachment.conversation_id)}{name[:OBJECT_HEX_DIGITS]}.webp"


def conversation_prefix(secret: Secret, conversation_id: str) -> str:
    """Return what the keys of all previews of one conversation start with, slash included."""
    return _mac(secret, "conversation", conversation_id)[:CONVERSATION_HEX_DIGITS] + "/"


def conversation_of(key: str) -> str:
    """Return the prefix of its conversation that the key of an object begins with."""
    return key[: CONVERSATION_HEX_DIGITS + 1]


def is_object_key(key: str) -> bool:
    """Return whether a key has the form of those that `object_key` makes."""
    return _OBJECT_KEY.fullmatch(key) is not None


def _mac(secret: Secret, *fields: str) -> str:
    digest = hmac.new(secret.reveal().encode(), digestmod=hashlib.sha256)
    for field in fields:
        data = field.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)  # lengths first, so no two lists of fields read the same
    return digest.hexdigest()
