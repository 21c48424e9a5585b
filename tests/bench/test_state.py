"""The page of how large state grows says what the worker's rows are."""

import asyncio
from collections import Counter, defaultdict
from statistics import fmean
from typing import NamedTuple

import pytest

from bench import state
from bench.pipeline.still import LOOK_SECONDS, StillPipeline, settings_of
from stream.messages import Erase, encode
from stream.topics import CONVERSATIONS_TABLE, LINKS_TABLE

EVENTS = 20
ERASED = "00000003-5b1e-4d2f-9c3a-0123456789ab"
KIND_OF_TABLE = {LINKS_TABLE: state.LINK, CONVERSATIONS_TABLE: state.CONVERSATION}
KIND_OF_KEY = {"expire": state.EXPIRE, "forget": state.FORGET, "lapse": state.LAPSE}


class Row(NamedTuple):
    """Bytes of a row's key, and of key and value."""

    key: int
    whole: int


async def rows_of_an_erasure_and_some_events() -> dict[state.Kind, list[Row]]:
    still = StillPipeline(settings_of())
    await still.bring([f"{number:064x}" for number in range(EVENTS)])
    command = encode(Erase(conversation_id=ERASED, order_id="0" * 32))
    await still.memory.send(still.topics.lifecycle, key=ERASED.encode(), value=command)
    async with asyncio.timeout(10):
        while any(lane.open for lane in still.pipeline.lanes.values()):  # noqa: ASYNC110 - lanes tell nobody
            await asyncio.sleep(LOOK_SECONDS)
    sizes: defaultdict[state.Kind, list[Row]] = defaultdict(list)
    for name, rows in still.pipeline.tables.items():
        for at in range(settings_of().topic_partitions):
            for key, row in rows.items(at):
                kind = KIND_OF_TABLE.get(name) or KIND_OF_KEY[key.partition("/")[0]]
                sizes[kind].append(Row(len(key), len(key) + len(encode(row))))
    await still.close()
    return sizes


def test_every_kind_of_row_is_as_many_and_as_large_as_the_page_says() -> None:
    sizes = asyncio.run(rows_of_an_erasure_and_some_events())
    assert Counter({kind: len(some) for kind, some in sizes.items()}) >= Counter(
        {state.FORGET: EVENTS, state.LINK: EVENTS, state.LAPSE: 1, state.CONVERSATION: 1, state.EXPIRE: 1}
    )
    measured = {kind.key: fmean(row.whole for row in some) for kind, some in sizes.items()}
    keys = fmean(fmean(row.key for row in sizes[kind]) for kind in state.OF_A_PREVIEW)
    assert keys == pytest.approx(state.KEY_BYTES, rel=0.1)
    assert measured == pytest.approx({kind.key: kind.row_bytes for kind in state.KINDS}, rel=0.1)


def test_a_row_that_lives_half_as_long_is_there_half_as_often() -> None:
    whole = state.example(settings_of(), row_bytes=870, row_us=15.3)
    half = whole._replace(preview_days=whole.preview_days / 2)
    assert half.rows_of(state.EXPIRE) == whole.rows_of(state.EXPIRE) / 2
    assert half.rows_of(state.LINK) == whole.rows_of(state.LINK)
    assert whole.alive_gb < whole.changelog_gb
