"""The child process of the loss tests: one Faust app, stock or ours, with the mishap that its plan names.

It runs as `python -m tests.losses.program PLAN`, PLAN being a `plans.Plan` in JSON, and says on stdout what happens.
"""

import asyncio
import logging
import os
import sys
from typing import Any

import faust
import msgspec
from faust.sensors.base import Sensor

from agents.kafka.lane import Job, Record
from tests.losses.ours import OurWorker
from tests.losses.plans import Kind, Plan, Said
from tests.losses.stock import stock_app

STDOUT = 1


def say(said: Said) -> None:
    os.write(STDOUT, msgspec.json.encode(said) + b"\n")  # unbuffered: a SIGKILL must not swallow a line


class Teller(Sensor):
    """Says when a commit round is over and when a rebalance has ended."""

    def on_commit_completed(self, consumer: Any, state: Any) -> None:  # noqa: ARG002 - Faust's signature
        say(Said("committed"))

    def on_rebalance_end(self, app: Any, state: Any) -> None:  # noqa: ARG002 - Faust's signature
        say(Said("ready"))


def planned_job(plan: Plan) -> Job:
    """Build the work that is done for each record, mishap included."""

    async def job(record: Record) -> None:
        say(Said("started", record.topic, record.partition, record.offset))
        mishaps = () if record.partition else (record.offset,)
        if plan.fails in mishaps:
            raise RuntimeError(f"offset {record.offset} fails, as planned")
        if record.topic == plan.hanging_topic or plan.hangs in mishaps:
            await asyncio.Event().wait()
        await asyncio.sleep(plan.job_seconds)
        say(Said("done", record.topic, record.partition, record.offset))

    return job


async def seek_slowly(seconds: float) -> None:
    """Stand for a broker that takes its time to answer."""
    say(Said("seeking"))
    await asyncio.sleep(seconds)


def live_on_stock(plan: Plan) -> None:
    app = stock_app(plan, planned_job(plan), seek_slowly)
    app.sensors.add(Teller())
    # Faust's banner would go to stdout, which carries our lines.
    faust.Worker(app, loglevel="INFO", redirect_stdouts=False, quiet=True).execute_from_commandline()


async def live_on_ours(plan: Plan) -> int:
    worker = OurWorker(plan, planned_job(plan), seek_slowly)
    worker.app.sensors.add(Teller())
    return await worker.run()


def main() -> None:
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    if plan.kind is Kind.STOCK:
        live_on_stock(plan)
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
        sys.exit(asyncio.run(live_on_ours(plan)))


if __name__ == "__main__":
    main()
