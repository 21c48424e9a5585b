import asyncio
from typing import Any

import pytest

from stream.bridge.bodies import Bodies, BodyLimits
from stream.refusals import RefusedRequestError

NEVER_SECONDS = 3600.0


def bodies(seconds: float = NEVER_SECONDS) -> Bodies:
    return Bodies(BodyLimits(body_bytes=100, seconds=seconds, held_bytes=1000))


class Client:
    """Sends parts of a body as it is told to."""

    def __init__(self) -> None:
        self.parts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def sends(self, body: bytes, *, more: bool = True) -> None:
        self.parts.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def receive(self) -> dict[str, Any]:
        return await self.parts.get()


async def refusal(reading: asyncio.Task[bytes]) -> int:
    async with asyncio.timeout(10):
        with pytest.raises(RefusedRequestError) as caught:
            await reading
    return caught.value.status


async def test_a_body_comes_in_parts() -> None:
    client = Client()
    client.sends(b"one ")
    client.sends(b"two", more=False)
    assert await bodies().read({}, client.receive) == b"one two"


async def test_each_slow_body_is_ended_in_its_time_and_one_that_comes_is_not() -> None:
    made, slow, slower, prompt = bodies(0.05), Client(), Client(), Client()
    slower.sends(b"half")
    readings = [asyncio.create_task(made.read({}, client.receive)) for client in (slow, prompt, slower)]
    await asyncio.sleep(0)
    prompt.sends(b"whole", more=False)
    assert await readings[1] == b"whole"
    assert [await refusal(readings[0]), await refusal(readings[2])] == [408, 408]
    later = asyncio.create_task(made.read({}, slow.receive))
    assert await refusal(later) == 408


async def test_a_body_that_declares_too_much_and_comes_too_slowly_is_too_large() -> None:
    reading = asyncio.create_task(bodies(0.01).read({b"content-length": b"101"}, Client().receive))
    assert await refusal(reading) == 413


async def test_a_task_whose_body_was_too_slow_can_go_on() -> None:
    async def told() -> str:
        with pytest.raises(RefusedRequestError):
            await bodies(0.01).read({}, Client().receive)
        await asyncio.sleep(0)
        return "answered"

    task = asyncio.create_task(told())
    assert await task == "answered"
    assert task.cancelling() == 0


async def test_stop_ends_all_that_is_being_read_at_once() -> None:
    made = bodies()
    readings = [asyncio.create_task(made.read({}, Client().receive)) for _ in range(3)]
    await asyncio.sleep(0)
    made.stop()
    made.stop()
    assert [await refusal(reading) for reading in readings] == [408] * 3


async def test_who_cancels_a_reading_from_outside_is_obeyed() -> None:
    reading = asyncio.create_task(bodies().read({}, Client().receive))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_body_that_does_not_come_to_its_end_is_refused_for_chunks_may_be_malformed() -> None:
    client = Client()
    client.parts.put_nowait({"type": "http.disconnect"})
    assert await refusal(asyncio.create_task(bodies().read({}, client.receive))) == 400
