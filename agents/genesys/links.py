from msgspec import Struct


class Link(Struct, frozen=True, kw_only=True):
    """What is said about one preview in its conversation."""

    conversation_id: str
    event_id: str
    url: str
    file_name: str = ""
    mime_type: str = ""
    preview_format: str = "webp"
    size_bytes: int = 0
