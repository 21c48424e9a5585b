"""What the processes tell of themselves: metrics, log lines and health.

Metrics are declared here alone, in base units. Ids of conversations, events and messages go into log fields and
never into labels: a label's values must be few and known beforehand.
"""

from stream.health import Health
from stream.logs import configure_logging
from stream.telemetry.families import NAMESPACE
from stream.telemetry.metrics import CONTENT_TYPE_LATEST, Metrics, exposition

__all__ = ["CONTENT_TYPE_LATEST", "NAMESPACE", "Health", "Metrics", "configure_logging", "exposition"]
