import gc
import weakref
from collections.abc import Iterator

import pytest

from agents.garbage import freeze


class Cycle:
    """Something that is freed by the garbage collector alone."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_there_is_looked_at_no_more() -> None:
    kept = Cycle()
    freeze()
    assert all(one is not kept for one in gc.get_objects())


def test_what_was_frozen_and_is_garbage_by_now_is_freed_by_the_next_time() -> None:
    cycle = Cycle()
    seen = weakref.ref(cycle)
    freeze()
    del cycle
    gc.collect()
    assert seen() is not None
    freeze()
    assert seen() is None
