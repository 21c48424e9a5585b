"""Metrics of lanes: jobs that run, and what makes them wait."""

from stream.telemetry.families import Families


class LaneMetrics(Families):
    """What a worker tells of its lanes, which have the names of their topics."""

    def declare_lanes(self) -> None:
        """Declare their metrics."""
        self.lane_in_flight = self.gauge("lane_in_flight", "Jobs that run, by lane", "lane")
        self.lane_open = self.gauge("lane_open", "Records taken and not acknowledged yet, by lane", "lane")
        self.lane_window = self.gauge(
            "lane_window_records", "Most records of one partition that a crash would deliver again, by lane", "lane"
        )
        self.lane_oldest = self.gauge(
            "lane_oldest_seconds", "Time that the oldest unfinished record has been taken for, by lane", "lane"
        )
        self.lane_held = self.gauge("lane_held", "1 while no job of the lane may start, else 0, by lane", "lane")
        self.holds = self.counter("holds", "Times that a lane was told to wait, by reason", "reason")
