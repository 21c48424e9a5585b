"""Metrics of a worker's Kafka side: partitions, rebalances, tables."""

from stream.telemetry.families import REBALANCE_BUCKETS, Families

OF_A_PARTITION = ("topic", "partition")
"""Labels whose series end when the partition moves away: at most three topics times TOPIC_PARTITIONS."""


class ConsumerMetrics(Families):
    """What a worker tells of its partitions."""

    def declare_consumer(self) -> None:
        """Declare the metrics of partitions and rebalances."""
        self.consumer_lag = self.gauge(
            "consumer_lag_records",
            "Records not yet finished of a partition of this worker, by topic and partition",
            *OF_A_PARTITION,
        )
        self.consumer_oldest = self.gauge(
            "consumer_oldest_record_seconds",
            "Age by Kafka's timestamp of the oldest record not finished, 0 without one; of a backlog from which "
            "nothing was taken yet: for how long it has been seen, by topic and partition",
            *OF_A_PARTITION,
        )
        self.consumer_stalled = self.gauge(
            "consumer_stalled_seconds",
            "Time in which a partition with unfinished records made no progress though nothing held its lane, "
            "else 0, by topic and partition",
            *OF_A_PARTITION,
        )
        self.consumer_assigned = self.gauge(
            "consumer_assigned_partitions", "Partitions that this worker owns, by topic", "topic"
        )
        self.consumer_paused = self.gauge(
            "consumer_paused_partitions",
            "Partitions that are not fetched now because their lane has no room for them, by topic",
            "topic",
        )
        self.consumer_backpressure = self.counter(
            "consumer_backpressure_seconds",
            "Time in which a partition of the topic or more were paused, looked at twice a second, by topic",
            "topic",
        )
        self.consumer_rebalances = self.counter(
            "consumer_rebalances", "Rebalances begun, the one at the start of a worker among them"
        )
        self.consumer_rebalance_seconds = self.histogram(
            "consumer_rebalance_seconds",
            "Time from the loss of partitions to work on the new ones, rows read back; several in a row count as one",
            buckets=REBALANCE_BUCKETS,
        )

    def declare_tables(self) -> None:
        """Declare the metrics of tables."""
        self.table_rows = self.gauge(
            "table_rows", "Rows of a table in this worker's partitions; an estimate on RocksDB, by table", "table"
        )
        self.table_recovery_seconds = self.histogram(
            "table_recovery_seconds",
            "Time from the assignment of partitions until the rows of all tables were read back",
            buckets=REBALANCE_BUCKETS,
        )
        self.table_recovering = self.gauge("table_recovering", "1 while rows are read back, else 0")
        self.table_changelog = self.gauge(
            "table_changelog_records",
            "Records that this worker would read to have its rows back from nothing, by table",
            "table",
        )
        self.rows_skipped = self.counter(
            "rows_skipped", "Changelog records that could not be decoded and were skipped, by table", "table"
        )
        self.due_rows = self.gauge("due_rows", "Rows of the due table: delayed retries and expiries")
        self.due_oldest = self.gauge("due_oldest_seconds", "By how much the oldest due row is late, 0 without one")
        self.due_fired = self.counter("due_fired", "Due rows sent to their topic, by topic", "topic")
