"""Which conversations are erased, as the workers' table tells: nothing of theirs is sent again."""

from stream.console import Console
from stream.kafka.snapshot import UnknownTopicError, records
from stream.records.conversations import rows_of
from stream.settings import KafkaSettings
from stream.topics import Topics


def erased_conversations(settings: KafkaSettings, console: Console) -> frozenset[str]:
    """Return their ids; says so where there is no such table, as before its topic is made. Blocks.

    Raises:
        KafkaUnreachableError: Kafka did not answer.
    """
    try:
        rows = rows_of(records(settings, Topics.of(settings).conversations_changelog))
    except UnknownTopicError as error:
        console.complain(f"which conversations are erased is not known: {error}")
        return frozenset()
    return frozenset(conversation_id for conversation_id, row in rows.items() if row.state == "erased")
