from typing import Any

from tests.system.chaos.windows import Copies, Window, Windows, message_ids, said_twice

KEY = "0" * 32 + "/" + "1" * 40 + ".webp"
OTHER_KEY = "0" * 32 + "/" + "2" * 40 + ".webp"
FROZEN = [Window("worker-0", 100.0, 110.0)]


def conversation(*said: tuple[str, float], name: str = "c") -> dict[str, Any]:
    messages = [
        {"id": f"{name}-{number}", "direction": "outbound", "text": f"https://s3.example.com/{key}?x", "at": at}
        for number, (key, at) in enumerate(said)
    ]
    return {"id": name, "messages": messages}


def test_what_is_said_once_in_each_conversation_is_no_copy() -> None:
    conversations = [conversation((KEY, 1.0), (OTHER_KEY, 2.0)), conversation((KEY, 3.0), name="d")]
    assert said_twice(conversations, FROZEN, 8.0) == Copies(outside=0, inside=0)


def test_a_guest_who_quotes_the_link_does_not_pass_for_us() -> None:
    quoted = conversation((KEY, 1.0), (KEY, 2.0))
    quoted["messages"][1]["direction"] = "inbound"
    assert said_twice([quoted], [], 8.0) == Copies(outside=0, inside=0)


def test_the_later_post_decides_whether_a_copy_is_inside_a_window() -> None:
    assert said_twice([conversation((KEY, 105.0), (KEY, 90.0))], FROZEN, 8.0) == Copies(outside=0, inside=1)
    assert said_twice([conversation((KEY, 105.0), (KEY, 120.0))], FROZEN, 8.0) == Copies(outside=1, inside=0)


def test_a_window_ends_some_seconds_after_the_worker_goes_on() -> None:
    assert said_twice([conversation((KEY, 50.0), (KEY, 118.0))], FROZEN, 8.0) == Copies(outside=0, inside=1)
    assert said_twice([conversation((KEY, 50.0), (KEY, 118.1))], FROZEN, 8.0) == Copies(outside=1, inside=0)
    assert said_twice([conversation((KEY, 50.0), (KEY, 99.9))], FROZEN, 8.0) == Copies(outside=1, inside=0)


def test_each_further_copy_counts() -> None:
    said = conversation((KEY, 50.0), (KEY, 60.0), (KEY, 101.0), (KEY, 102.0))
    assert said_twice([said], FROZEN, 8.0) == Copies(outside=1, inside=2)


def test_a_window_lasts_from_the_freeze_to_the_thaw() -> None:
    times = iter([10.0, 25.0])
    windows = Windows(lambda: next(times))
    windows.begin("worker-2")
    windows.end("worker-2")
    assert windows.all == [Window("worker-2", 10.0, 25.0)]


def test_every_message_is_known_by_its_id() -> None:
    assert message_ids([conversation((KEY, 1.0), (OTHER_KEY, 2.0))]) == {"c-0", "c-1"}
