"""The webhook bridge: HTTP in, acknowledged Kafka records out."""

from stream.bridge.process import main

__all__ = ["main"]
