import asyncio
import os
import signal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from agents.rendering.children import ChildDied
from agents.rendering.pool import RenderPool, create_pool
from agents.rendering.verdicts import Limits, Order, Refusal, Rendition, Verdict
from agents.settings import RenderSettings
from stream.failures import Reason, Retryable
from stream.telemetry import Metrics
from tests.agents.rendering.pools import (
    SABOTEUR,
    alive,
    children_of,
    descriptors_of,
    environment_of,
    running_pool,
    until,
)
from tests.harness.files import photo, saved

SHORT = Limits(wall_seconds=0.3)
PHOTO = saved(photo((400, 300)), "JPEG")


async def ask(pool: RenderPool, data: bytes) -> Rendition | Refusal:
    return await pool.render(data, file_name="file.jpg", declared_mime="image/jpeg")


def forkserver_of(pool: RenderPool) -> int:
    pid = pool._forkserver.pid
    assert pid is not None
    return pid


async def test_a_child_that_spins_is_killed_at_the_deadline() -> None:
    lost: list[str] = []
    async with running_pool(SHORT, engine_module=SABOTEUR, on_lost=lost.append) as pool:
        answer = await ask(pool, b"spin")
        assert answer.verdict is Verdict.TIMEOUT
        assert lost == ["timeout"]
        await until(lambda: not children_of(forkserver_of(pool)))
        assert (await ask(pool, PHOTO)).verdict is Verdict.RENDERED


async def test_a_child_that_had_no_cpu_time_until_the_deadline_is_the_machines_fault_once() -> None:
    lost: list[str] = []
    async with running_pool(SHORT, engine_module=SABOTEUR, on_lost=lost.append) as pool:
        with pytest.raises(Retryable) as raised:
            await ask(pool, b"sleep")
        assert raised.value.reason is Reason.RENDERER_UNAVAILABLE
        assert (await ask(pool, b"sleep")).verdict is Verdict.TIMEOUT
        assert lost == ["starved", "starved"]
        assert (await ask(pool, PHOTO)).verdict is Verdict.RENDERED


async def test_a_child_out_of_cpu_time_is_a_timeout_too() -> None:
    async with running_pool(Limits(cpu_seconds=1), engine_module=SABOTEUR) as pool:
        answer = await ask(pool, b"spin")
        assert answer.verdict is Verdict.TIMEOUT
        assert isinstance(answer, Refusal)
        assert "CPU" in answer.reason


async def test_a_child_kills_itself_when_the_parent_stands_still() -> None:
    async with running_pool(SHORT, engine_module=SABOTEUR) as pool:
        crew = pool._crew
        await ask(pool, PHOTO)
        child = crew.idle.pop()
        order = Order(size_bytes=5, file_name="", declared_mime=None, limits=SHORT)
        asking = asyncio.ensure_future(child.ask(b"sleep", order))  # and nobody keeps the time
        report = await asyncio.wait_for(child.exited, 10)
        assert report.signal == signal.SIGALRM
        with pytest.raises(ChildDied):
            await asking
        child.close()


@pytest.mark.parametrize("deed", [b"segfault", b"garbage", b"raise", b"say nonsense", b"say \xff\xff\xff\xff"])
async def test_a_crash_or_garbage_is_a_verdict_and_the_next_file_renders(deed: bytes) -> None:
    async with running_pool(engine_module=SABOTEUR) as pool:
        assert (await ask(pool, deed)).verdict is Verdict.CRASHED
        assert (await ask(pool, PHOTO)).verdict is Verdict.RENDERED


async def test_four_gigabytes_are_too_large() -> None:
    async with running_pool(engine_module=SABOTEUR) as pool:
        assert (await ask(pool, b"allocate")).verdict is Verdict.TOO_LARGE


@pytest.mark.parametrize(
    "webp",
    [
        b"",
        b"RIFF\x04\0\0\0WEBP",
        b"<script>alert(1)</script>",
        saved(photo((400, 400)), "WEBP"),
        # A lossless header that claims 16384 pixels, and a canvas of 30000.
        b"RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\xff\xff\xff\x0f\0",
        b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x2f\x75\0\x2f\x75\0VP8L\x05\0\0\0\x2f\xff\xff\xff\x0f\0",
        saved(photo((300, 300)), "WEBP", save_all=True, append_images=[photo((300, 300), seed=8)]),
        saved(photo((300, 300)), "WEBP", exif=b"Exif\0\0secret"),
    ],
    ids=["empty", "hollow", "script", "400px", "16384px", "30000px", "animated", "metadata"],
)
async def test_an_answer_that_is_no_preview_is_refused(webp: bytes) -> None:
    lost: list[str] = []
    async with running_pool(engine_module=SABOTEUR, on_lost=lost.append) as pool:
        assert (await ask(pool, b"webp " + webp)).verdict is Verdict.CRASHED
        assert lost == ["garbage"]


async def test_an_honest_webp_of_the_right_size_passes_the_same_check() -> None:
    async with running_pool(engine_module=SABOTEUR) as pool:
        assert (await ask(pool, b"webp " + saved(photo((300, 300)), "WEBP"))).verdict is Verdict.RENDERED


async def test_children_inherit_no_secret_and_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "hidden")
    async with running_pool() as pool:
        await ask(pool, PHOTO)
        (child,) = children_of(forkserver_of(pool))
        assert environment_of(child) == {"LANG", "MALLOC_ARENA_MAX", "PATH"}
        null, pipe, payload, meter = "/dev/null", "pipe", "/memfd", f"/proc/{child}/clear_refs"
        kinds = [target.split(":")[0] for _, target in sorted(descriptors_of(child).items())]
        assert kinds == [null, null, null, pipe, pipe, payload, meter]


async def test_what_a_child_started_dies_with_it() -> None:
    async with running_pool(engine_module=SABOTEUR) as pool:
        order = Order(size_bytes=4, file_name="", declared_mime=None, limits=Limits())
        answer = await pool._poppler_crew.run(b"fork", order, 10)  # the one profile that may start anything
        assert isinstance(answer, Refusal)
        await until(lambda: not alive(int(answer.reason)))


async def test_a_child_that_died_while_idle_is_not_blamed_on_the_next_file() -> None:
    async with running_pool() as pool:
        await ask(pool, PHOTO)
        (child,) = children_of(forkserver_of(pool))
        os.kill(child, signal.SIGKILL)
        await until(lambda: not alive(child))
        assert (await ask(pool, PHOTO)).verdict is Verdict.RENDERED


async def test_a_child_is_replaced_after_its_share_of_jobs() -> None:
    async with running_pool(jobs_per_child=2) as pool:
        seen = set()
        for _ in range(4):
            await ask(pool, PHOTO)
            seen |= children_of(forkserver_of(pool))
        assert len(seen) == 2


async def test_the_forkserver_is_started_again_when_it_dies() -> None:
    async with running_pool(engine_module=SABOTEUR) as pool:
        waiting = asyncio.ensure_future(ask(pool, b"sleep"))
        await until(lambda: bool(children_of(forkserver_of(pool))))
        (child,) = children_of(forkserver_of(pool))
        os.kill(forkserver_of(pool), signal.SIGKILL)
        with pytest.raises(Retryable) as caught:
            await waiting
        assert caught.value.reason is Reason.RENDERER_UNAVAILABLE
        await until(lambda: not alive(child))
        assert (await ask(pool, PHOTO)).verdict is Verdict.RENDERED


async def test_a_signal_for_the_whole_group_leaves_the_ending_to_the_parent() -> None:
    async with running_pool() as pool:
        await ask(pool, PHOTO)
        before = children_of(forkserver_of(pool))
        for pid in (forkserver_of(pool), *before):
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)
        assert (await ask(pool, PHOTO)).verdict is Verdict.RENDERED
        assert children_of(forkserver_of(pool)) == before


async def test_an_engine_that_does_not_load_is_our_trouble_and_retryable() -> None:
    async with running_pool(engine_module="tests.agents.rendering.no_such_engine") as pool:
        with pytest.raises(Retryable):
            await ask(pool, PHOTO)


async def test_a_cancelled_job_ends_its_child() -> None:
    async with running_pool(engine_module=SABOTEUR) as pool:
        job = asyncio.ensure_future(ask(pool, b"sleep"))
        await until(lambda: bool(children_of(forkserver_of(pool))))
        await until(pool._crew.seats.locked)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        await until(lambda: not children_of(forkserver_of(pool)))
        assert (await ask(pool, PHOTO)).verdict is Verdict.RENDERED


async def test_a_poison_file_costs_one_child_once() -> None:
    lost: list[str] = []
    async with running_pool(engine_module=SABOTEUR, remembered_refusals=10, on_lost=lost.append) as pool:
        for _ in range(3):
            assert (await ask(pool, b"segfault")).verdict is Verdict.CRASHED
        assert lost == ["crashed"]


async def test_jobs_beyond_the_children_wait_and_all_are_answered() -> None:
    async with running_pool(children=2) as pool:
        answers = await asyncio.gather(*(ask(pool, PHOTO) for _ in range(12)))
        assert {answer.verdict for answer in answers} == {Verdict.RENDERED}
        assert len(children_of(forkserver_of(pool))) == 2


async def test_closing_leaves_no_process_and_no_descriptor() -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    async with running_pool(children=2) as pool:
        await asyncio.gather(ask(pool, PHOTO), ask(pool, PHOTO))
        forkserver = forkserver_of(pool)
        children = children_of(forkserver)
    await until(lambda: not any(map(alive, {forkserver, *children})))
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


async def test_the_parent_tells_of_its_children(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())
    pool = create_pool(RenderSettings(render_children=1), tmp_path, metrics)
    value = metrics.registry.get_sample_value
    assert value("previews_render_children") == 0
    await pool.start()  # which proves the confinement of a child of each profile
    try:
        await until(lambda: value("previews_render_children") == 1)
        started = value("previews_render_children_started_total")
        await ask(pool, PHOTO)
        assert (value("previews_render_children_busy"), value("previews_render_children")) == (0, 1)
        assert value("previews_render_children_started_total") == started
    finally:
        await pool.close()
    assert value("previews_render_children") == 0


async def test_a_child_is_busy_while_it_works_on_a_file() -> None:
    async with running_pool(SHORT, engine_module=SABOTEUR) as pool:
        spinning = asyncio.create_task(ask(pool, b"spin"))
        await until(lambda: pool.busy == 1)
        await spinning
        assert pool.busy == 0
