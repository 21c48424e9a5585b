"""Faults on demand: by call, by conversation, by count, or by a probability with a seed."""

import random
from collections import Counter
from typing import Annotated, Literal

from msgspec import Meta, Struct


class Fault(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One rule; the first that matches is applied."""

    kind: Literal[
        "status",  # answer `status`, with Retry-After when `retryAfterSeconds` is given
        "slow",  # wait `seconds`, then do it: a caller that gave up finds it done later
        "slow_after",  # do it, then wait `seconds` before the answer
        "drop_before",  # close the connection, nothing done
        "drop_after",  # do it, then close the connection without an answer
        "drip",  # do it, then answer a byte every `seconds`
        "revoke",  # the token of the call is no longer good
    ]
    call: Annotated[str, Meta(description="A name of api.py; * is any but token")] = "*"
    conversation_id: str | None = None
    count: Annotated[int, Meta(ge=1)] | None = None
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    status: Annotated[int, Meta(ge=200, le=599)] = 500
    retry_after_seconds: float | None = None
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    commits: Annotated[bool, Meta(description="The call is carried out before `status` is answered")] = False
    code: str = "simulated.fault"
    message: str = "A simulated fault"


class Faults:
    """The rules in force."""

    def __init__(self, seed: int) -> None:
        self._rules: list[Fault] = []
        self._random = random.Random(seed)
        self.applied: Counter[str] = Counter()

    def seed(self, seed: int) -> None:
        self._random.seed(seed)

    def add(self, fault: Fault) -> None:
        self._rules.append(fault)

    def clear(self) -> None:
        self._rules.clear()

    def pick(self, call: str, conversation_id: str | None) -> Fault | None:
        """Return the fault that befalls a call, and count it down."""
        for rule in self._rules:
            this_call = rule.call == call or (rule.call == "*" and call != "token")
            this_conversation = rule.conversation_id in (None, conversation_id)
            if this_call and this_conversation and self._random.random() < rule.probability:
                self._count_down(rule)
                self.applied[f"{rule.kind}:{rule.status}" if rule.kind == "status" else rule.kind] += 1
                return rule
        return None

    def _count_down(self, rule: Fault) -> None:
        if rule.count is None:
            return
        rule.count -= 1
        if rule.count == 0:
            self._rules.remove(rule)
