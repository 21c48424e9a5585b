"""Where files may be fetched from, and where they are looked for once they are gone."""

from collections.abc import Iterator
from typing import Final

import pytest

from stream.messages import Attachment, encode
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

INNER: Final = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "localhost",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:4136:e378:8000:63bf:5601:5601]",
    "[fd00:ec2::254]",
    "[fc00::1]",
    "[fe80::1]",
    "[ff02::1]",
)
ODD: Final = (
    "nonsense",
    "file:///etc/passwd",
    "ftp://127.0.0.1/file.png",
    "http://",
    "http://[::1/file.png",
    "http://127.0.0.1:99999/file.png",
    "http://user:password@127.0.0.1/file.png",
    "http://127.0.0.1\\@example.com/",
    "http://127.0.0.1 .example.com/",
    "http://exa\x00mple.com/",
    "//127.0.0.1/file.png",
)


@pytest.fixture(scope="module")
def rig(kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("sources"), kafka, minio) as made:
        yield made
        made.assert_sound()


def test_a_probe_of_a_whole_deployment_ends_in_a_rejection_that_nobody_sees(rig: Rig) -> None:
    worker = rig.product.add_worker(DOWNLOAD_ALLOWED_NETWORKS="")
    said_before = rig.genesys.control.counters()
    code, told = rig.product.run("stream", "probe", "--bridge", f"http://127.0.0.1:{rig.product.bridge_port}")
    assert code == 0, told
    assert ": rejected (source_blocked) after " in told
    assert rig.genesys.control.counters() == said_before
    assert worker.stop(60) == 0


def test_no_form_of_an_inner_address_is_asked_for_a_file(rig: Rig) -> None:
    asked_before = len(rig.files.requests)
    worker = rig.product.add_worker(DOWNLOAD_ALLOWED_NETWORKS="", RETRY_MAX_ATTEMPTS="2")
    inner = [rig.drop("f.png", f"http://{host}:{rig.files.port}/files/photo.png") for host in INNER]
    odd = [f"odd-{number}" for number in range(len(ODD))]
    attachments = [
        Attachment(event_id=e, conversation_id="odd", attachment_url=url) for e, url in zip(odd, ODD, strict=True)
    ]
    rig.produce(rig.topics.attachments, *map(encode, attachments))
    rig.wait_for_ends([*inner, *odd])
    assert {rig.outcome(event_id).verdict for event_id in inner} == {"source_blocked"}
    assert {rig.outcome(event_id).verdict for event_id in odd} <= {"source_blocked", "source_refused"}
    assert len(rig.files.requests) == asked_before
    assert worker.stop(60) == 0


def test_a_file_that_is_gone_is_asked_for_again_where_the_message_is_known(rig: Rig) -> None:
    """Its address expired while the event waited: the API names another one; without a message there is none."""
    png, _ = rig.files.files.contents["photo.png"]
    worker = rig.product.add_worker()
    gone, kept, hidden = [], [], []
    for number, path in enumerate(("/status/404", "/status/410", "/expired/s3", "/forbidden")):
        sent = rig.genesys.control.attach(f"guest-{number}", "photo.png", "image/png", png)
        known = {"messageId": sent["messageId"], "attachmentId": sent["attachmentId"]}
        url = rig.files.url(f"{path}?x={number}")
        kept.append(rig.drop(url=url, conversationId=sent["conversationId"], **known))
        gone.append(rig.drop(url=url, conversationId=sent["conversationId"]))
        hidden.append(rig.drop(url=url, conversationId=f"guest-{number}", messageId="no such message"))
    sent = rig.genesys.control.attach("guest-of-the-api", "photo.png", "image/png", png)
    rig.genesys.control.call("POST", f"/attachments/{sent['attachmentId']}/expire")
    of_the_api = {name: sent[name] for name in ("conversationId", "messageId", "attachmentId")}
    kept.append(rig.drop(url=sent["attachmentUrl"], **of_the_api))
    gone.append(rig.drop(url=sent["attachmentUrl"], conversationId="guest-of-the-api"))
    rig.wait_for_ends()
    assert [rig.outcome(event_id).verdict for event_id in kept] == ["rendered"] * 5, [
        rig.outcome(event_id).reason for event_id in kept
    ]
    assert {rig.outcome(event_id).verdict for event_id in [*gone, *hidden]} == {"source_gone"}
    assert rig.genesys.control.counters()["tokenLeaks"] == 0
    assert worker.stop(60) == 0
