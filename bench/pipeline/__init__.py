"""Previews a second through the whole pipeline without Kafka: ours beside the tutorial's way."""
