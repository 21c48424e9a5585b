"""Malformed and hostile requests against a real bridge with a real Kafka behind it: `make fuzz-bridge`."""
