import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.failures import Reason, Retryable
from stream.retry import (
    ASKED_SHARE,
    FAMILIES,
    IN_PLACE_SECONDS,
    INTERNAL_ATTEMPTS,
    Family,
    Patience,
    RetryPolicy,
    family_of,
    pause_in_place_seconds,
)

POLICY = RetryPolicy(base_seconds=2.0, cap_seconds=300.0, services=Patience(60, 14_400.0), source=Patience(15, 3_600.0))
REASONS = Path(__file__).parents[2] / "docs" / "reasons.md"
RETRYABLE = st.sampled_from(sorted(FAMILIES))
SEEDS = st.integers(0, 2**32).map(random.Random)
AGES = st.floats(0, 20_000)


@given(RETRYABLE, st.integers(1, 100), AGES, SEEDS)
def test_no_delay_is_longer_than_its_ceiling_and_none_reaches_past_the_age(
    reason: Reason, attempt: int, age: float, rng: random.Random
) -> None:
    following = POLICY.next_try(Retryable(reason, "x"), attempt=attempt, age_seconds=age, rng=rng)
    patience = POLICY.patience(family_of(reason))
    if following is None:
        assert attempt >= patience.attempts or age + 300.0 > patience.age_seconds
        return
    assert following.counted
    assert 0.0 <= following.delay_seconds <= min(300.0, 2.0 * 2 ** (attempt - 1))
    assert age + following.delay_seconds <= patience.age_seconds


def test_the_jitter_is_full() -> None:
    rng = random.Random(7)
    delays = []
    for _ in range(2_000):
        following = POLICY.next_try(Retryable(Reason.SOURCE_TIMEOUT, "x"), attempt=4, age_seconds=0.0, rng=rng)
        assert following is not None
        delays.append(following.delay_seconds)
    assert min(delays) < 0.1
    assert max(delays) > 15.9
    assert 7.5 < sum(delays) / len(delays) < 8.5


@given(RETRYABLE, st.integers(1, 100), AGES, st.floats(0.001, 20_000), SEEDS)
def test_what_the_other_side_asks_for_is_waited_costs_no_attempt_and_never_reaches_past_the_age(
    reason: Reason, attempt: int, age: float, asked: float, rng: random.Random
) -> None:
    failure = Retryable(reason, "busy", retry_after_seconds=asked)
    following = POLICY.next_try(failure, attempt=attempt, age_seconds=age, rng=rng)
    patience = POLICY.patience(family_of(reason))
    if following is None:
        assert age + max(asked, age * ASKED_SHARE) > patience.age_seconds
    else:
        assert not following.counted
        assert following.delay_seconds >= asked
        assert age + asked <= patience.age_seconds


@pytest.mark.parametrize("reason", sorted(FAMILIES))
def test_nobody_who_asks_to_come_again_in_a_second_is_obeyed_for_hours(reason: Reason) -> None:
    rng, age, tries = random.Random(3), 0.0, 0
    failure = Retryable(reason, "busy", retry_after_seconds=1.0)
    while (following := POLICY.next_try(failure, attempt=1, age_seconds=age, rng=rng)) is not None:
        age += following.delay_seconds
        tries += 1
        assert tries < 150
    assert tries > 10


def test_a_source_that_asks_for_an_hour_is_given_it_once() -> None:
    failure = Retryable(Reason.SOURCE_UNAVAILABLE, "429", retry_after_seconds=3_600.0)
    assert POLICY.next_try(failure, attempt=1, age_seconds=0.0, rng=random.Random(1)) is not None
    assert POLICY.next_try(failure, attempt=1, age_seconds=3_601.0, rng=random.Random(1)) is None


def test_a_source_is_given_up_sooner_than_our_own_services_and_a_bug_soonest() -> None:
    source, storage, internal = (POLICY.patience(of) for of in (Family.SOURCE, Family.STORAGE, Family.INTERNAL))
    assert source.age_seconds < storage.age_seconds
    assert INTERNAL_ATTEMPTS == internal.attempts < source.attempts < storage.attempts


def test_what_is_set_for_services_bounds_every_family() -> None:
    policy = RetryPolicy(1.0, 1.0, services=Patience(2, 10.0), source=Patience(15, 3_600.0))
    assert {policy.patience(family) for family in Family} == {Patience(2, 10.0)}
    assert [policy.exhausted(attempt) for attempt in (1, 2, 3)] == [False, True, True]


def test_every_reason_that_is_published_as_retryable_has_a_family() -> None:
    (table,) = re.findall(r"## Retryable\n(.*?)\n## ", REASONS.read_text(), re.DOTALL)
    published = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert published
    of_one_file = {Reason.PERMISSION_MISSING, Reason.CREDENTIALS_REFUSED}  # holds, where they are of every post
    assert published | {Reason.INTERNAL} | of_one_file == set(FAMILIES)


@pytest.mark.parametrize(
    ("reason", "repeated"),
    [
        (Reason.SOURCE_UNREACHABLE, True),
        (Reason.SOURCE_UNAVAILABLE, True),
        (Reason.SOURCE_TIMEOUT, False),
        (Reason.RENDERER_UNAVAILABLE, True),
        (Reason.STORAGE_UNAVAILABLE, True),
        (Reason.STORAGE_FULL, False),
        (Reason.GENESYS_UNAVAILABLE, True),
        (Reason.GENESYS_AMBIGUOUS, False),
        (Reason.INTERNAL, False),
    ],
)
def test_a_step_is_repeated_once_and_only_where_that_says_nothing_twice(
    reason: Reason,
    repeated: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    failure, rng = Retryable(reason, "x"), random.Random(1)
    assert (pause_in_place_seconds(failure, tries=1, elapsed_seconds=0.1, rng=rng) is not None) is repeated
    assert pause_in_place_seconds(failure, tries=2, elapsed_seconds=0.1, rng=rng) is None


@given(st.floats(0, 10), SEEDS)
def test_no_step_is_repeated_later_than_two_seconds_after_it_began(elapsed: float, rng: random.Random) -> None:
    failure = Retryable(Reason.STORAGE_UNAVAILABLE, "x")
    pause = pause_in_place_seconds(failure, tries=1, elapsed_seconds=elapsed, rng=rng)
    assert pause is None or elapsed + pause < IN_PLACE_SECONDS == 2.0


def test_a_step_is_not_repeated_at_once_where_the_other_side_asked_for_a_time() -> None:
    failure = Retryable(Reason.GENESYS_UNAVAILABLE, "x", retry_after_seconds=1.0)
    assert pause_in_place_seconds(failure, tries=1, elapsed_seconds=0.0, rng=random.Random(1)) is None
