"""Everything goes wrong at random, on real Kafka and real S3, and the conversations and topics are the judge."""
