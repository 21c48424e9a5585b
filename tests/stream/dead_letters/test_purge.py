"""A purge removes what is meant and nothing else, by whichever way, and says what it cannot remove."""

from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.dead_letters.letters import Contents, Filed, Selection, contents
from stream.dead_letters.purge import Plan, Purge, plan
from stream.kafka.snapshot import StoredRecord
from stream.messages import Origin, encode
from tests.stream.letters import LETTER, filed
from tests.stream.outgoing import OutgoingRecords

Place = tuple[int, int]
KEYS = st.sampled_from([b"a", b"b", b"c", b"d", b"e", None])
RECORDS = st.lists(st.tuples(st.integers(0, 2), KEYS, st.booleans()), max_size=20)


def place(item: Filed) -> Place:
    return item.position.partition, item.position.offset


def lying(records: list[tuple[int, bytes | None, bool]]) -> Contents:
    """Return a topic of records, each with partition, key, and whether it is meant; offsets leave gaps."""
    stored = [
        StoredRecord(
            Origin(topic="dead-letters", partition=partition, offset=2 * at),
            key,
            encode(replace(LETTER, reason="genesys_refused" if meant else "internal")),
            None,
        )
        for at, (partition, key, meant) in enumerate(records)
    ]
    return contents(stored, Selection(reason="genesys_refused"))


def removed(found: Contents, wanted: Plan) -> set[Place]:
    """Return what Kafka would remove."""
    tombstones = {(item.position.partition, item.key) for item in wanted.buried}
    return {
        (partition, offset)
        for partition, keys in found.keys.items()
        for offset, key in keys.items()
        if offset < wanted.offsets.get(partition, 0) or (partition, key) in tombstones
    }


@given(RECORDS, st.booleans())
def test_exactly_what_is_meant_goes_or_is_named_as_kept(
    records: list[tuple[int, bytes | None, bool]],
    compacted: bool,  # noqa: FBT001
) -> None:
    found = lying(records)
    wanted = plan(found, is_compacted=compacted)
    kept = {place(problem.filed) for problem in wanted.kept}
    assert removed(found, wanted) == {place(item) for item in found.meant} - kept
    assert wanted.going + len(kept) == len(found.meant)
    assert compacted or not wanted.buried


def test_letters_with_keys_of_their_own_can_all_go_from_a_compacted_topic() -> None:
    found = lying([(0, b"a", False), (0, b"b", True), (0, b"c", False), (1, b"d", True)])
    wanted = plan(found, is_compacted=True)
    assert [item.key for item in wanted.buried] == [b"b"]
    assert [item.key for item in wanted.cut] == [b"d"]
    assert wanted.offsets == {1: 7}
    (kept,) = plan(found, is_compacted=False).kept
    assert "not compacted" in kept.text


def test_a_letter_that_shares_its_key_or_has_none_is_kept_with_the_reason() -> None:
    found = lying([(0, b"a", False), (0, b"a", True), (0, None, True)])
    assert [problem.text for problem in plan(found, is_compacted=True).kept] == [
        "a letter that is to stay has the same key",
        "it has no key, and a letter that is to stay lies before it",
    ]


class Kafka(OutgoingRecords):
    """Takes tombstones and cuts partitions off, except those that it refuses."""

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__(refused=frozenset({"dead-letters"} if refuses else ()))
        self.cut: list[TopicPartition] = []
        self._refuses = refuses

    def poll(self, timeout: float) -> int:
        raise AssertionError(timeout)

    def delete_records(self, topic_partition_offsets: list[TopicPartition], **kwargs: Any) -> dict[TopicPartition, Any]:
        assert kwargs["request_timeout"] > 0
        self.cut += topic_partition_offsets
        return dict.fromkeys(topic_partition_offsets, self)

    def result(self, timeout: float) -> None:
        assert timeout > 0
        if self._refuses:
            raise KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))


def test_a_plan_is_carried_out() -> None:
    kafka, first, second = Kafka(), filed(1), filed(5)
    wanted = Plan(cut=[first], buried=[second], kept=[], offsets={0: 3})
    assert Purge(kafka, kafka).carry_out(wanted) == []
    assert kafka.sent == [("dead-letters", None, b"key-5", None)]
    assert kafka.partitions == [0]
    assert [(cut.topic, cut.partition, cut.offset) for cut in kafka.cut] == [("dead-letters", 0, 3)]


def test_what_kafka_refuses_to_remove_is_named() -> None:
    kafka, first, second = Kafka(refuses=True), filed(1), filed(5)
    wanted = Plan(cut=[first], buried=[second], kept=[], offsets={0: 3})
    problems = Purge(kafka, kafka).carry_out(wanted)
    assert {problem.filed.position.offset for problem in problems} == {1, 5}
    assert all(problem.text for problem in problems)
