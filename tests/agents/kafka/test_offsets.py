from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from agents.kafka.offsets import Offsets

P0 = TP("attachments", 0)


def test_a_partition_from_which_nothing_was_taken_has_no_position() -> None:
    assert Offsets().position(P0) is None


def test_the_position_is_the_lowest_unfinished_offset() -> None:
    offsets = Offsets()
    for offset in (10, 11, 12):
        offsets.take(P0, offset)
    offsets.finish(P0, 11)
    offsets.finish(P0, 12)
    assert offsets.position(P0) == 10


def test_the_position_follows_the_highest_taken_when_all_are_finished() -> None:
    offsets = Offsets()
    for offset in (10, 14):  # 11 to 13 were removed by compaction
        offsets.take(P0, offset)
        offsets.finish(P0, offset)
    assert offsets.position(P0) == 15


def test_a_record_of_before_a_rebalance_does_not_count_when_it_ends() -> None:
    offsets = Offsets()
    offsets.take(P0, 10)
    offsets.clear()
    offsets.finish(P0, 10)
    assert offsets.position(P0) is None


def test_a_record_taken_before_the_consumer_went_back_does_not_move_the_position() -> None:
    offsets = Offsets()
    offsets.take(P0, 50)
    offsets.take(P0, 10)
    offsets.finish(P0, 50)
    assert offsets.position(P0) == 10
    offsets.finish(P0, 10)
    assert offsets.position(P0) == 11


def test_a_record_that_is_to_come_again_holds_no_position_behind_those_before_it() -> None:
    offsets = Offsets()
    offsets.take(P0, 9)
    offsets.take(P0, 50)
    offsets.take(P0, 10)
    offsets.finish(P0, 9)
    offsets.finish(P0, 10)
    assert offsets.position(P0) == 11
    assert offsets.unfinished(P0) == 0


def test_the_window_counts_records_and_not_the_gaps_between_their_offsets() -> None:
    offsets = Offsets()
    for offset in (10, 500, 1_000_000):
        offsets.take(P0, offset)
    offsets.finish(P0, 500)
    assert offsets.window(P0) == 3
    offsets.finish(P0, 10)
    assert offsets.window(P0) == 1
    offsets.finish(P0, 1_000_000)
    assert offsets.window(P0) == 0


def test_the_oldest_unfinished_record_of_a_topic_tells_its_age() -> None:
    now = 100.0
    offsets = Offsets(lambda: now)
    assert offsets.oldest_seconds("attachments") == 0.0
    offsets.take(P0, 10)
    offsets.take(TP("previews", 0), 10)
    now = 103.0
    offsets.take(P0, 11)
    offsets.take(TP("attachments", 1), 11)
    now = 104.0
    assert offsets.oldest_seconds("attachments") == 4.0
    offsets.finish(P0, 10)
    assert offsets.oldest_seconds("attachments") == 1.0
    assert offsets.widest_window("attachments") == 1
    assert offsets.widest_window("results") == 0


@given(st.data())
def test_whatever_the_order_of_ends_the_position_never_passes_an_unfinished_record(data: st.DataObject) -> None:
    taken = sorted(data.draw(st.sets(st.integers(0, 1000), min_size=1, max_size=50)))
    offsets = Offsets()
    for offset in taken:
        offsets.take(P0, offset)
    order = data.draw(st.permutations(taken))
    unfinished = set(taken)
    for offset in order:
        offsets.finish(P0, offset)
        unfinished.discard(offset)
        assert offsets.position(P0) == (min(unfinished) if unfinished else taken[-1] + 1)
        assert offsets.unfinished(P0) == len(unfinished)


def test_the_oldest_unfinished_record_of_a_partition_tells_its_timestamp() -> None:
    offsets = Offsets()
    assert offsets.oldest_stamp(P0) is None
    offsets.take(P0, 10, 1000.5)
    offsets.take(P0, 11, 1001.5)
    offsets.take(P0, 12)
    assert offsets.oldest_stamp(P0) == 1000.5
    offsets.finish(P0, 10)
    assert offsets.oldest_stamp(P0) == 1001.5
    offsets.finish(P0, 11)
    assert offsets.oldest_stamp(P0) is None
