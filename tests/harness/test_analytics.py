from typing import Any

import pytest

from tests.harness.genesys.analytics import Query

BODY: dict[str, Any] = {
    "interval": "2026-01-01T00:00:00.000Z/2026-01-01T23:59:59.999Z",
    "paging": {"pageSize": 100, "pageNumber": 1},
    "segmentFilters": [
        {"type": "or", "predicates": [{"type": "dimension", "dimension": "mediaType", "value": "message"}]}
    ],
}


def test_a_query_within_the_bounds_of_genesys_is_taken() -> None:
    query = Query.of(BODY)
    assert (query.page_size, query.media_types) == (100, frozenset({"message"}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval": None},
        {"interval": "2026-01-01"},
        {"interval": "2026-01-02T00:00:00Z/2026-01-01T00:00:00Z"},
        {"interval": "2026-01-01T00:00:00Z/2026-02-02T00:00:00Z"},
        {"paging": {"pageSize": 101, "pageNumber": 1}},
        {"paging": {"pageSize": 100, "pageNumber": 0}},
        {"paging": {"pageSize": 100, "pageNumber": 1001}},
        {"order": "sideways"},
        {"orderBy": "name"},
    ],
)
def test_a_query_that_genesys_refuses_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Query.of(BODY | wrong)
