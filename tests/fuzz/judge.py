"""What must never be: each finding is one unexpected thing, with the case that brought it about."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from stream.bridge.openapi import PROBLEMS
from tests.fuzz.cases import FORBIDDEN, SMUGGLED, Case
from tests.fuzz.wire import Answer, Exchange

BY_THE_SERVER: Final = frozenset({400, 414, 431})  # to what is no HTTP, without a body
SHOWN: Final = 300


@dataclass
class Judge:
    """Counts answers, remembers what was accepted, and collects findings."""

    findings: list[str] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    def found(self, what: str, case: Case) -> None:
        sent = b"".join(case.pieces)
        self.findings.append(f"{what}: {case.kind} of {len(sent)} bytes: {sent[:SHOWN]!r}")

    def exchanged(self, case: Case, exchange: Exchange) -> None:
        """Judge what came back."""
        self.kinds[case.kind] += 1
        self.requests += case.requests
        if case.asked and not exchange.answers:
            self.found("unanswered", case)
        if exchange.cut:
            self.found(f"an answer that breaks off: {exchange.cut[:SHOWN]!r}", case)
        for answer in exchange.answers:
            self.statuses[answer.status] += 1
            fault = self._fault(answer)
            if fault:
                self.found(f"{answer.status} {fault} {answer.body[:SHOWN]!r}", case)

    def kafka_holds(self, event_ids: Iterable[str]) -> None:
        """Compare what was accepted with what is in Kafka."""
        held = set(event_ids)
        self.findings += [f"accepted and not in Kafka: {event_id!r}" for event_id in sorted(self.accepted - held)]
        hostile = [event_id for event_id in held if FORBIDDEN in event_id or SMUGGLED in event_id]
        self.findings += [f"in Kafka and never to be accepted: {event_id!r}" for event_id in sorted(hostile)]

    def logged(self, lines: Iterable[str]) -> None:
        """Look for errors, and for lines that are not the log's own."""
        for line in lines:
            try:
                level = json.loads(line)["level"]
            except (ValueError, KeyError, TypeError):
                level = "no line of the log"
            if level not in {"debug", "info", "warning"}:
                self.findings.append(f"logged: {level}: {line[:SHOWN]}")

    def _fault(self, answer: Answer) -> str:
        if answer.status in BY_THE_SERVER and not answer.body:
            return ""
        if answer.status in PROBLEMS:
            return self._fault_of_problem(answer)
        if answer.status == 202:
            return self._fault_of_acceptance(answer)
        return "" if answer.status == 200 else "is no answer of the bridge"

    def _fault_of_problem(self, answer: Answer) -> str:
        if answer.status >= 500 and answer.status != 503:
            return "is an error of ours"
        if not answer.body:  # to HEAD
            return ""
        if answer.headers.get("content-type") == "application/json":
            return "" if answer.status == 503 else "is no problem"  # a probe
        problem = json.loads(answer.body)
        return "" if problem["code"] in PROBLEMS[answer.status] else "has an unknown code"

    def _fault_of_acceptance(self, answer: Answer) -> str:
        told = json.loads(answer.body)
        event_ids = told.get("eventIds", [told["eventId"]])
        self.accepted.update(event_ids)
        hostile = [event_id for event_id in event_ids if FORBIDDEN in event_id or SMUGGLED in event_id]
        return "accepts what it must not" if hostile else ""
