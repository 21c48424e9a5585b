"""A stock Faust app with agents as Faust's documentation writes them."""

from collections.abc import Awaitable, Callable
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver

from agents.kafka.app import RAW, record_of
from agents.kafka.lane import Job
from tests.losses.plans import Plan, SlowSeek, Style

Agent = Callable[[Any], Awaitable[None]]

TAKEN_AT_ONCE = 5
TAKE_SECONDS = 0.5


def stock_app(plan: Plan, job: Job, slow_seek: SlowSeek) -> Any:
    app = faust.App(
        plan.group,
        broker=f"kafka://{plan.bootstrap_servers}",
        broker_session_timeout=6.0,
        broker_heartbeat_interval=0.3,
        broker_commit_interval=0.3,
        datadir=plan.data_dir,
        stream_buffer_maxsize=plan.buffer_maxsize,
        stream_wait_empty=plan.wait_empty,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=plan.partitions,
        web_enabled=False,
    )
    app.transport = transport_of(app, plan.seek_seconds, slow_seek)
    table = app.Table("counts", partitions=plan.partitions) if plan.style is Style.TABLE else None
    for name in plan.topics:
        topic = app.topic(name, value_serializer="json") if plan.style is Style.JSON else app.topic(name, **RAW)
        app.agent(topic, name=name, concurrency=plan.concurrency)(agent_of(plan, job, table))
    return app


def transport_of(app: Any, seek_seconds: float, slow_seek: SlowSeek) -> driver.Transport:
    class SlowConsumer(driver.Consumer):
        async def seek_to_committed(self) -> Any:
            await slow_seek(seek_seconds)
            committed = await super().seek_to_committed()
            await slow_seek(seek_seconds)
            return committed

    class SlowTransport(driver.Transport):
        Consumer = SlowConsumer

    return SlowTransport(app.conf.broker_consumer, app)


def agent_of(plan: Plan, job: Job, table: Any) -> Agent:
    if plan.style is Style.NOACK:
        return noack(job, plan.forgets)
    if plan.style is Style.TAKE:
        return take(job)
    return into_table(job, table) if plan.style is Style.TABLE else events(job)


def events(job: Job) -> Agent:
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            await job(record_of(event.message))

    return agent


def noack(job: Job, forgets: int | None) -> Agent:
    async def agent(stream: Any) -> None:
        unacknowledged = stream.noack()
        async for event in unacknowledged.events():
            if event.message.offset != forgets:
                await job(record_of(event.message))
                await unacknowledged.ack(event)

    return agent


def take(job: Job) -> Agent:
    async def agent(stream: Any) -> None:
        async for batch in stream.take_events(TAKEN_AT_ONCE, within=TAKE_SECONDS):
            for event in batch:
                await job(record_of(event.message))

    return agent


def into_table(job: Job, table: Any) -> Agent:
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            await job(record_of(event.message))
            table[str(event.message.offset)] = event.message.offset

    return agent
