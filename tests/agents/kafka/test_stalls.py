import pytest
from faust.types import TP
from msgspec import structs

from agents.kafka.stalls import Stalls, longest_seconds
from agents.settings import WorkerSettings
from stream.settings import Secret
from tests.agents.worlds import Clock

P0 = TP("attachments", 0)
SETTINGS = WorkerSettings(
    genesys_client_id="id", genesys_client_secret=Secret("secret"), object_key_secret=Secret("0123456789abcdef")
)


def test_a_partition_stalls_from_the_first_look_at_its_oldest_record_on() -> None:
    clock = Clock()
    stalls = Stalls(clock)
    assert stalls.look(P0, 7, waits=False) == 0
    clock.now += 5
    assert stalls.look(P0, 7, waits=False) == 5
    clock.now += 1
    assert stalls.look(P0, 8, waits=False) == 0
    clock.now += 2
    assert stalls.look(P0, 8, waits=False) == 2
    assert stalls.look(P0, None, waits=False) == 0
    clock.now += 9
    assert stalls.look(P0, 9, waits=False) == 0


def test_time_in_which_a_partition_waits_is_not_counted_and_what_was_counted_before_stays() -> None:
    clock = Clock()
    stalls = Stalls(clock)
    stalls.look(P0, 7, waits=False)
    clock.now += 5
    assert stalls.look(P0, 7, waits=False) == 5
    clock.now += 1000
    assert stalls.look(P0, 7, waits=True) == 0
    clock.now += 3
    assert stalls.look(P0, 7, waits=False) == 8


def test_a_partition_that_comes_back_begins_anew() -> None:
    clock = Clock()
    stalls = Stalls(clock)
    stalls.look(P0, 7, waits=False)
    stalls.keep([TP("previews", 0)])
    clock.now += 100
    assert stalls.look(P0, 7, waits=False) == 0


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"liveness_stalled_seconds": 5.0}, 5.0),
        # 32 renderings of 20 s on one child, and 4 rounds of two tries of 20 s download, 10 s Genesys, 10 s storage
        ({"genesys_timeout_seconds": 10.0}, 32 * 20 + 4 * 2 * 40),
        ({"genesys_timeout_seconds": 10.0, "render_children": 4}, 32 * 20 / 4 + 4 * 2 * 40),
        ({"genesys_timeout_seconds": 10.0, "render_extra_edges_px": (600, 1200)}, 32 * 20 + 4 * 2 * 60),
    ],
)
def test_the_bound_is_a_setting_or_what_all_deadlines_of_a_full_lane_add_up_to(
    changes: dict[str, object], seconds: float
) -> None:
    assert longest_seconds(structs.replace(SETTINGS, **changes)) == seconds
