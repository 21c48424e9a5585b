"""Metrics of Genesys: calls, their rate, posts."""

from typing import Final

from stream.telemetry.families import STAGE_BUCKETS, Families

BREAKER_STATES: Final = ("closed", "half_open", "open")


class GenesysMetrics(Families):
    """What a worker tells of the Genesys API."""

    def declare_genesys(self) -> None:
        """Declare the metrics of its calls."""
        self.genesys_calls = self.counter(
            "genesys_calls",
            "Calls of the Genesys API, by call and status (an HTTP code, timeout or dropped)",
            "call",
            "status",
        )
        self.genesys_call_seconds = self.histogram(
            "genesys_call_seconds", "Time that a call of the Genesys API took, by call", "call", buckets=STAGE_BUCKETS
        )
        self.rate_share_tokens = self.gauge(
            "rate_share_tokens",
            "Genesys calls that may be made at once, by OAuth client (its place in GENESYS_CLIENT_ID, from 0)",
            "client",
        )
        self.rate_share_fraction = self.gauge("rate_share_ratio", "This worker's part of the Genesys budget, 0 to 1")
        self.rate_wait_seconds = self.counter(
            "rate_wait_seconds", "Time that calls of the Genesys API waited for their turn, all together"
        )
        self.client_refused = self.gauge(
            "genesys_client_refused", "1 while Genesys refuses this OAuth client, else 0; by client as above", "client"
        )
        self.breaker_state = self.states(
            "breaker_state",
            "State of the circuit breaker before a service, by service (genesys or storage)",
            "service",
            states=BREAKER_STATES,
        )

    def declare_posts(self) -> None:
        """Declare what is known, and not, of posts."""
        self.posts_ambiguous = self.counter(
            "post_ambiguous",
            "Posts of which it is not known whether they were made, by kind: timeout, dropped, server_error, "
            "without_id, interrupted (a process ended before it knew), late (written after its own deadline)",
            "kind",
        )
        self.duplicates = self.counter(
            "post_duplicate_suppressed", "Deliveries found to have been posted already, so that nothing was said twice"
        )
        self.late_posts = self.counter("late_posts", "Posts that were sent after their own deadline")
