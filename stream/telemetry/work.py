"""Metrics of the work on attachments: stages, outcomes, rendering children, storage."""

from typing import Final

from stream.telemetry.families import STAGE_BUCKETS, Families

END_TO_END_BUCKETS: Final = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200, 172800)


class WorkMetrics(Families):
    """What a worker tells of attachments and their previews."""

    def declare_outcomes(self) -> None:
        """Declare what became of events."""
        self.outcomes = self.counter("outcomes", "Events ended, by outcome and verdict", "outcome", "verdict")
        self.dead_letters = self.counter(
            "dead_letters", "Records given up as ours to mend, by reason and stage", "reason", "stage"
        )
        self.retries = self.counter(
            "retries", "Attempts put off to a later time, by reason and stage", "reason", "stage"
        )
        self.repeats = self.counter(
            "repeats_in_place", "Steps that failed and were repeated at once, by reason", "reason"
        )
        self.guard_share = self.gauge(
            "guard_share_ratio",
            "Part of the conversations in the guard's window that failed for reasons of ours, 0 to 1; 0 while few did",
        )
        self.previews_expired = self.counter("expired", "Previews deleted because their time had come")
        self.previews_erased = self.counter("erased", "Previews deleted because their conversation was erased")
        self.orders = self.counter(
            "orders",
            "Orders to erase, hold or release a conversation that were answered, by command and state",
            "command",
            "state",
        )
        self.stage_seconds = self.histogram(
            "stage_seconds", "Time that a stage took, by stage", "stage", buckets=STAGE_BUCKETS
        )
        self.end_to_end_seconds = self.histogram(
            "end_to_end_seconds", "Time from the webhook to the posted link", buckets=END_TO_END_BUCKETS
        )
        self.downloaded_bytes = self.counter("downloaded_bytes", "Bytes of files downloaded")
        self.stored_bytes = self.counter("stored_bytes", "Bytes of previews stored")

    def declare_rendering(self) -> None:
        """Declare what the parent knows of its rendering children."""
        self.render_children = self.gauge("render_children", "Rendering children that live")
        self.render_children_busy = self.gauge("render_children_busy", "Rendering children that work on a file")
        self.render_children_started = self.counter("render_children_started", "Rendering children started")
        self.render_children_lost = self.counter(
            "render_children_lost",
            "Rendering children ended for a file's sake, by cause: timeout, starved (hardly any CPU until the "
            "deadline), memory, crashed or garbage (its answer was no preview)",
            "cause",
        )
        self.confinement_layer = self.gauge(
            "confinement_layer", "1 while a layer confines the rendering children, 0 where it is missing", "layer"
        )

    def declare_storage(self) -> None:
        """Declare the calls of the storage."""
        self.storage_calls = self.counter(
            "storage_calls",
            "Calls of the storage, by call (put, exists, delete) and status (ok, or the reason of the failure)",
            "call",
            "status",
        )
        self.storage_call_seconds = self.histogram(
            "storage_call_seconds", "Time that a call of the storage took, by call", "call", buckets=STAGE_BUCKETS
        )
