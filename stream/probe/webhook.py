"""The webhook of a probe: a body and the headers that prove it, as one of the bridge's sources takes them. Pure."""

import base64
import hmac
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from stream.arrival import EventSource
from stream.authenticity import Credentials
from stream.settings import BridgeSettings, WrongSettingError
from stream.sources.tutorial import EVENT

# RFC 5737: an address for documentation, which no worker connects to. So the file is rejected as source_blocked, and
# nothing is said in any conversation.
NOWHERE: Final = "https://192.0.2.1/probe.png"
SOURCES: Final = (EventSource.TUTORIAL, EventSource.OPEN_MESSAGING)
"""Sources whose bodies hold the file's address, so that a probe asks Genesys for nothing."""


class Webhook(Struct, frozen=True):
    """What is posted where."""

    path: str
    body: bytes
    headers: dict[str, str]


def webhook(settings: BridgeSettings, name: str, *, file_url: str, conversation_id: str, now: float) -> Webhook:
    """Return the webhook of a probe.

    Args:
        settings: Those of the bridge, whose credentials are proven.
        name: Of this probe alone; event id and message id are made of it.
        file_url: Where the file lies.
        conversation_id: The conversation that it came from.
        now: Unix seconds, for signatures that hold the time.

    Raises:
        WrongSettingError: No source can be proven to, for only client certificates are asked for.
    """
    source = _source(settings)
    body = msgspec.json.encode(_BODIES[source](name, file_url, conversation_id))
    proof = _proof(settings.credentials(source), name, body, now)
    return Webhook(f"/webhooks/genesys/{_PATHS[source]}", body, {"content-type": "application/json", **proof})


def _source(settings: BridgeSettings) -> EventSource:
    guarded = [source for source in SOURCES if _provable(settings.credentials(source))]
    if guarded:
        return guarded[0]
    if any(settings.credentials(source) for source in EventSource):
        raise WrongSettingError(
            "WEBHOOK_TUTORIAL_CREDENTIALS or WEBHOOK_OPEN_MESSAGING_CREDENTIALS has no hub:, standard: or bearer: "
            "credential: a probe can prove itself by no other"
        )
    return EventSource.TUTORIAL


def _provable(credentials: Credentials) -> bool:
    return bool(credentials.bearer or credentials.hub or credentials.standard)


def _proof(credentials: Credentials, name: str, body: bytes, now: float) -> dict[str, str]:
    if credentials.bearer:
        return {"authorization": f"Bearer {credentials.bearer[0].decode()}"}
    if credentials.hub:
        return {"x-hub-signature-256": f"sha256={_digest(credentials.hub[0], body)}"}
    if credentials.standard:
        moment = str(int(now))
        signature = _digest(credentials.standard[0], b"%b.%b.%b" % (name.encode(), moment.encode(), body))
        return {"webhook-id": name, "webhook-timestamp": moment, "webhook-signature": f"v1,{signature}"}
    return {}


def _digest(secret: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


def _tutorial(name: str, file_url: str, conversation_id: str) -> Mapping[str, object]:
    file = {"conversationId": conversation_id, "attachmentUrl": file_url, "fileName": "probe.png", "eventId": name}
    return {"event": EVENT, "data": {**file, "mimeType": "image/png"}}


def _open_messaging(name: str, file_url: str, conversation_id: str) -> Mapping[str, object]:
    file = {"id": "probe", "mediaType": "Image", "url": file_url, "mime": "image/png", "filename": "probe.png"}
    content = [{"contentType": "Attachment", "attachment": file}]
    message = {"id": name, "channel": {"platform": "Open"}, "type": "Structured", "direction": "Inbound"}
    return {**message, "conversationId": conversation_id, "content": content}


_BODIES: Final = {EventSource.TUTORIAL: _tutorial, EventSource.OPEN_MESSAGING: _open_messaging}
_PATHS: Final = {EventSource.TUTORIAL: "attachments", EventSource.OPEN_MESSAGING: "open-messaging"}
