"""How Faust's recovery stops for good, on the stock class and on ours; no broker."""

import asyncio
from typing import Any

import pytest
from faust.tables.recovery import Recovery as StockRecovery
from faust.tables.recovery import ServiceStopped

from agents.kafka.recovery import Recovery
from tests.losses.consumers import Subject
from tests.losses.lives import MENDED
from tests.losses.plans import Kind


def recovery_of(kind: Kind) -> Any:
    app = Subject(kind).app
    return (StockRecovery if kind is Kind.STOCK else Recovery)(app, app.tables)


async def test_a_recovery_that_kafka_keeps_waiting_ends_the_worker_instead_of_all_later_recoveries(kind: Kind) -> None:
    recovery = recovery_of(kind)
    expected = pytest.raises(ServiceStopped if kind is Kind.STOCK else TimeoutError)  # the former ends its loop
    with expected:
        await recovery._wait(asyncio.Event().wait(), timeout=0.01)
    assert not recovery.should_stop, MENDED


async def test_a_recovery_that_is_stopped_ends_in_order(kind: Kind) -> None:
    recovery = recovery_of(kind)
    recovery._stopped.set()
    with pytest.raises(ServiceStopped):
        await recovery._wait(asyncio.Event().wait(), timeout=10)
