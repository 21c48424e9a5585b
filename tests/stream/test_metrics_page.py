import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from stream.telemetry import Metrics
from stream.telemetry.page import PATH, page, write

ROOT = Path(__file__).parents[2]


def test_the_committed_page_is_that_of_the_code() -> None:
    assert (ROOT / PATH).read_text(encoding="utf-8") == page(), "run: make schemas"


def test_the_page_has_every_metric_once(tmp_path: Path) -> None:
    (tmp_path / PATH).parent.mkdir()
    write(tmp_path)
    named = re.findall(r"^\| `(previews_\w+)` ", (tmp_path / PATH).read_text(encoding="utf-8"), re.MULTILINE)
    declared = {family.name for family in Metrics(CollectorRegistry()).registry.collect()}
    ours = {name for name in declared if name.startswith("previews_")} - {"previews_build"}
    assert sorted(name.removesuffix("_total") for name in named) == sorted(ours)
