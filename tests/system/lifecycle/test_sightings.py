from tests.system.lifecycle.sightings import Presence, Sightings


def seen(*listings: str) -> Sightings:
    """List once a second for half a second; each letter is an object."""
    sightings = Sightings()
    for at, keys in enumerate(listings):
        sightings.note(float(at), at + 0.5, list(keys))
    return sightings


def test_a_presence_lasts_from_the_first_listing_that_shows_an_object_to_the_end_of_the_first_that_does_not() -> None:
    sightings = seen("", "a", "ab", "b", "a")
    assert sightings.presences("a") == [Presence("a", 1.0, 2.0, 3.5), Presence("a", 4.0, 4.0, None)]
    assert sightings.presences("b") == [Presence("b", 2.0, 3.0, 4.5)]
    assert sightings.presences("c") == []


def test_only_listings_that_lie_wholly_within_a_time_show_that_an_object_is_missing() -> None:
    sightings = seen("a", "a", "", "a")
    assert sightings.missing("a", 0.0, 4.0) == 2.0
    assert sightings.missing("a", 0.0, 2.4) is None
    assert sightings.missing("a", 2.1, 4.0) is None
    assert sightings.missing("b", 1.0, 4.0) == 1.0


def test_the_last_listing_tells_what_is_there() -> None:
    sightings = seen("a", "b")
    assert (sightings.now(), sightings.keys(), sightings.count) == ({"b"}, {"a", "b"}, 2)


def test_the_widest_gap_is_that_in_which_most_goes_unseen() -> None:
    sightings = seen("a", "a")
    sightings.note(5.0, 6.0, [])
    assert sightings.widest_seconds == 5.0
