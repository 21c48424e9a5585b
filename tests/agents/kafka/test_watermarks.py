from collections.abc import Collection, Mapping

from confluent_kafka import KafkaError, KafkaException
from faust.types import TP

from agents.kafka.watermarks import Span, Watermarks

P0, P1 = TP("previews", 0), TP("due-changelog", 0)


class Kafka:
    def __init__(self) -> None:
        self.spans = {P0: Span(10, 25), P1: Span(3, 5)}
        self.away = False

    def ask(self, owned: Collection[TP]) -> Mapping[TP, Span]:
        if self.away:
            raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        return {tp: self.spans[tp] for tp in owned}


async def test_ends_and_records_are_those_of_the_partitions_that_were_asked_for_last() -> None:
    kafka = Kafka()
    watermarks = Watermarks(kafka.ask)
    assert watermarks.end(P0) is None
    await watermarks.look([P0, P1])
    assert (watermarks.end(P0), watermarks.records("due-changelog")) == (25, 2)
    await watermarks.look([P1])
    assert watermarks.end(P0) is None
    await watermarks.look([])
    assert watermarks.records("due-changelog") == 0


async def test_what_was_known_stays_while_kafka_does_not_answer() -> None:
    kafka = Kafka()
    watermarks = Watermarks(kafka.ask)
    await watermarks.look([P0])
    kafka.away = True
    await watermarks.look([P0])
    assert watermarks.end(P0) == 25
