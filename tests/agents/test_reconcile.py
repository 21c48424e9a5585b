from agents.reconcile import grace_seconds


def test_a_preview_whose_link_may_be_good_is_left_alone_unless_another_age_is_given() -> None:
    assert grace_seconds(None, 604_800.0) == 604_800.0 + 86_400.0
    assert grace_seconds(2.0, 604_800.0) == 7200.0
    assert grace_seconds(0.0, 604_800.0) == 0.0
