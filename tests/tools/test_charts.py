import re

from tools import charts


def test_everything_that_proves_the_chart_is_pinned() -> None:
    modules = {charts.DOCS, charts.UNITTEST, *(module for module, _ in charts.MODULE_DEFINITIONS.values())}
    assert [module for module in modules if not re.search(r"@v\d", module)] == []
    assert "${strimzi.version}" in charts.STRIMZI_POM.read_text()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in charts.STRIMZI_VERSIONS)


def test_another_version_is_kept_in_another_folder() -> None:
    paths = {charts.docs(), charts.unittest(), charts.definitions(), charts.kubernetes_schemas()}
    assert len({path.parent if path.suffix else path for path in paths}) == 4
    assert charts._digest("a@v1") != charts._digest("a@v2")
