"""What our recovery decides, without a broker; tests/contract/test_rows_on_kafka.py runs it on Kafka."""

from types import SimpleNamespace
from typing import Any

import faust
import pytest
from faust.types import TP
from msgspec import Struct

from agents.kafka.recovery import Recovery, Tables
from agents.tables.rows import Rows
from tests.agents.changelogs import PARTITIONS, Changelog


class Row(Struct, frozen=True):
    text: str


class World:
    """Two tables of one app, and the recovery of both."""

    def __init__(self) -> None:
        self.app = faust.App("tests", broker="kafka://127.0.0.1:1", web_enabled=False, TableManager=Tables)
        self.one, self.other = (self._rows(name) for name in ("one", "other"))
        tables: Any = self.app.tables
        self.recovery: Recovery = tables.recovery

    def assign(self, *partitions: int) -> None:
        self.recovery.active_tps.clear()
        for rows in (self.one, self.other):
            rows.own(set(partitions))
            for partition in partitions:
                self.recovery.add_active(rows._table, TP(rows.changelog, partition))

    def read_back(self, rows: Rows[Row], partition: int, offset: int, text: str) -> None:
        value = b'{"text":"%s"}' % text.encode()
        record = SimpleNamespace(offset=offset, key=b"k", value=value)
        self.recovery.read_back(TP(rows.changelog, partition), [record])

    def _rows(self, name: str) -> Rows[Row]:
        return Rows(
            self.app, name, Row, partitions=PARTITIONS, append=Changelog(), on_skipped=pytest.fail, clock=lambda: 0.0
        )


async def test_what_is_read_back_goes_to_its_own_table() -> None:
    world = World()
    world.assign(0)
    world.read_back(world.one, 0, 3, "one")
    world.read_back(world.other, 0, 5, "other")
    assert (world.one.get(0, "k"), world.other.get(0, "k")) == (Row("one"), Row("other"))
    assert (world.one.reach(0), world.other.reach(0)) == (3, 5)


async def test_what_was_read_of_a_partition_that_is_not_ours_goes_nowhere() -> None:
    world = World()
    world.assign(0)
    world.read_back(world.one, 0, 3, "ours")
    world.read_back(world.one, 1, 7, "not ours")
    assert world.one.get(1, "k") is None
    assert world.one.get(0, "k") == Row("ours")


async def test_a_partition_that_comes_back_is_read_from_where_its_rows_reach_not_from_where_faust_was() -> None:
    world = World()
    world.assign(0, 1)
    world.read_back(world.one, 0, 90, "v")
    tp = TP(world.one.changelog, 0)
    assert world.recovery.active_offsets[tp] == 90
    world.assign(1)  # a rebalance that is overtaken by the next: Faust's recovery hears of the second alone
    world.assign(0, 1)
    assert world.recovery.active_offsets[tp] == -1
    assert world.one.get(0, "k") is None


async def test_older_records_do_not_come_back_over_newer_ones() -> None:
    world = World()
    world.assign(0)
    world.read_back(world.one, 0, 9, "new")
    world.read_back(world.one, 0, 4, "old")
    assert world.one.get(0, "k") == Row("new")


@pytest.mark.parametrize("happens", ["a rebalance begins", "partitions are assigned", "a newer generation"])
async def test_a_recovery_that_a_rebalance_overtakes_lets_nothing_flow(happens: str) -> None:
    world = World()
    app: Any = world.app
    world.recovery._rebalances = app.rebalancing_count
    if happens == "a rebalance begins":
        app.rebalancing_count += 1
    elif happens == "partitions are assigned":
        world.recovery.signal_recovery_start.set()
    generation = -1 if happens == "a newer generation" else app.consumer_generation_id
    world.assign(0)
    world.recovery.active_highwaters[TP(world.one.changelog, 0)] = 99
    await world.recovery.on_recovery_completed(generation)
    assert world.one.reach(0) == -1
    assert not app.tables.actives_ready
