"""Records of a version to come, as an upgrade that is taken back leaves them behind; see docs/operations.md."""

import json

import pytest

from stream.messages import Attachment, Expire, encode
from tests.harness.kafka import RealKafka
from tests.harness.s3 import Minio
from tests.system.rig import Rig, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def next_version(value: bytes) -> bytes:
    return json.dumps({**json.loads(value), "version": 2}).encode()


def undecodable(rig: Rig) -> list[tuple[str, bytes, int]]:
    letters = [letter for letter in rig.ledger.dead_letters if letter.reason == "undecodable"]
    return sorted((letter.origin.topic, letter.payload, letter.replays) for letter in letters)


def test_unknown_fields_are_ignored_and_unknown_versions_wait_as_dead_letters_for_the_upgrade(
    kafka: RealKafka, minio: Minio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("versions"), kafka, minio) as rig:
        rig.product.add_worker()
        value = encode(Attachment(event_id="known", conversation_id="c", attachment_url=rig.files.url("photo.png")))
        with_field = json.dumps({**json.loads(value), "later": {"of": ["any", "shape"]}}).encode()
        command = encode(Expire(event_id="e", conversation_id="c", object_key="k", expires_at=0.0))
        to_come = {
            rig.topics.attachments: next_version(value.replace(b"known", b"unknown")),
            rig.topics.previews: b'{"version":2,"of":"another shape"}',
            rig.topics.lifecycle: next_version(command),
        }
        for topic, record in to_come.items():
            rig.produce(topic, record, key=b"c")
        rig.produce(rig.topics.attachments, with_field, key=b"c", headers=[("later", b"too")])
        assert rig.verdict("known") == "rendered"
        previews = rig.records(rig.topics.previews)
        assert any(("later", b"too") in (record.headers or ()) for record in previews)
        rig.wait("the dead letters", lambda: len(rig.ledger.dead_letters) == len(to_come))
        assert undecodable(rig) == sorted((topic, record, 0) for topic, record in to_come.items())
        # By the version that knows them it would be their way; this one files them again, with the same bytes.
        code, printed = rig.product.run("stream", "dead-letters", "replay", "--reason", "undecodable", "--yes")
        assert code == 0, printed
        rig.wait("them to come back", lambda: len(rig.ledger.dead_letters) == 2 * len(to_come))
        assert [item for item in undecodable(rig) if item[2]] == sorted((t, v, 1) for t, v in to_come.items())
        assert rig.posts_of("known") == 1
