"""The webhook bridge: HTTP in, acknowledged Kafka records out."""
