"""Each source by its own path and with its own proof, from the bridge to the message in the conversation."""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import urllib3

from stream.arrival import EventSource
from stream.bridge.intake import PATHS
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.stream.authenticity.claims import hub, standard
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

KEY: Final = bytes(range(32))
CREDENTIALS: Final = {
    "WEBHOOK_TUTORIAL_CREDENTIALS": "bearer:old-token,bearer:new-token",
    "WEBHOOK_OPEN_MESSAGING_CREDENTIALS": "hub:hush",
    "WEBHOOK_NOTIFICATIONS_CREDENTIALS": f"standard:whsec_{base64.b64encode(KEY).decode()}",
    "WEBHOOK_MESSAGES_CREDENTIALS": "mtls:cn=resolver",
    "WEBHOOK_TRUSTED_PROXIES": "127.0.0.1",
}


@pytest.fixture(scope="module")
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("bridge-sources"), kafka, minio, CREDENTIALS) as made:
        yield made
        made.assert_sound()


def post(rig: Rig, source: EventSource, body: bytes, headers: Mapping[str, bytes]) -> urllib3.BaseHTTPResponse:
    url = f"http://127.0.0.1:{rig.product.bridge_port}{PATHS[source]}"
    text = {name: value.decode() for name, value in headers.items()}
    return urllib3.request("POST", url, body=body, headers=text, retries=False, timeout=10)


def event(source: EventSource, sent: Mapping[str, Any]) -> dict[str, Any]:
    """The event by which a source tells of a file that a guest sent."""
    file = {"id": sent["attachmentId"], "url": sent["attachmentUrl"]}
    if source is EventSource.TUTORIAL:
        return {"event": "webchat:attachment", "data": sent}
    if source is EventSource.OPEN_MESSAGING:
        content = [{"contentType": "Attachment", "attachment": {**file, "mediaType": "Image"}}]
        return {
            "id": sent["messageId"],
            "channel": {},
            "conversationId": sent["conversationId"],
            "type": "Text",
            "content": content,
        }
    if source is EventSource.NOTIFICATIONS:
        message = {"message": {"id": sent["messageId"]}, "messageStatus": "received", "media": [file]}
        body = {
            "id": sent["conversationId"],
            "participants": [{"purpose": "customer", "messages": [message]}],
        }
        return {"detail": {"topicName": "v2.routing.queues.1.conversations.messages", "eventBody": body}}
    return {name: sent[name] for name in ("conversationId", "messageId")}


def proof(source: EventSource, body: bytes) -> Mapping[str, bytes]:
    return {
        EventSource.TUTORIAL: {"Authorization": b"Bearer new-token"},
        EventSource.OPEN_MESSAGING: hub(b"hush", body),
        EventSource.NOTIFICATIONS: standard(KEY, body=body, at=time.time()),
        EventSource.MESSAGES: {"X-Forwarded-Client-Cert": b'Hash=1;Subject="CN=resolver,O=Acme"'},
    }[source]


def test_a_file_of_every_source_is_linked_and_a_stranger_is_refused(rig: Rig) -> None:
    png, _ = rig.files.files.contents["photo.png"]
    rig.product.add_worker()
    for source in EventSource:
        sent = rig.genesys.control.attach(f"guest-of-{source}", "photo.png", "image/png", png)
        body = json.dumps(event(source, sent)).encode()
        assert post(rig, source, body, {}).status == 401
        answer = post(rig, source, body, proof(source, body))
        assert answer.status == 202, (source, answer.data)
        rig.accepted.append(answer.json()["eventId"])
    rig.wait_for_ends()
    assert [rig.outcome(event_id).verdict for event_id in rig.accepted] == ["rendered"] * len(EventSource)
    assert [rig.posts_of(event_id) for event_id in rig.accepted] == [1] * len(EventSource)
