"""Every expression that dashboards, rules and runbooks ask, and what of it must have an answer when all is well."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
RULES: Final = ROOT / "prometheus" / "alerts.yml"
DASHBOARDS: Final = ROOT / "grafana" / "dashboards"
RUNBOOKS: Final = ROOT / "docs" / "runbooks.md"
COMPARISONS: Final = frozenset({"==", "!=", ">", "<", ">=", "<="})
SETS: Final = frozenset({"and", "or", "unless"})
LABEL_VALUES: Final = re.compile(r"label_values\((.+), (\w+)\)")
INLINE_CODE: Final = re.compile(r"`([^`\n]*previews_[^`\n]*)`")
BLOCK: Final = re.compile(r"^```promql\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Expression:
    """What is asked, and by whom."""

    where: str
    text: str

    def operands(self) -> Iterator["Expression"]:
        """Yield what a condition is about, see the function of this name."""
        for operand in operands(promql_parser.parse(self.text)):
            yield Expression(self.where, operand)


def of_dashboards(filled: Mapping[str, str], folder: Path = DASHBOARDS) -> Iterator[Expression]:
    """Yield the expressions of all panels and variables, `$variables` filled in as Grafana does."""
    for path in sorted(folder.glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield Expression(f"{path.stem}: {panel['title']}", fill(target["expr"], filled))
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield Expression(f"{path.stem}: ${variable['name']}", _values(fill(variable["query"]["query"], filled)))


def fill(text: str, filled: Mapping[str, str]) -> str:
    """Put values into the place of `$variables`."""
    return re.sub(r"\$(\w+)", lambda match: filled[match[1]], text)


def of_rules(path: Path = RULES) -> Iterator[Expression]:
    """Yield the expressions of recording rules, and of alerts what their conditions are about."""
    for rule in rules(path):
        if "record" in rule:
            yield Expression(f"record {rule['record']}", rule["expr"])
        else:
            yield from Expression(f"alert {rule['alert']}", rule["expr"]).operands()


def rules(path: Path = RULES) -> list[dict[str, Any]]:
    """Return all rules of a file."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def of_runbooks(path: Path = RUNBOOKS) -> Iterator[Expression]:
    """Yield the expressions that runbooks ask; names alone are metrics that are talked about."""
    section = ""
    blocks = {line for block in BLOCK.findall(path.read_text()) for line in block.splitlines()}
    for line in path.read_text().splitlines():
        section = line.removeprefix("## ") if line.startswith("## ") else section
        for text in (line,) if line in blocks else INLINE_CODE.findall(line):
            yield Expression(f"runbook {section}", text)


def operands(parsed: Any) -> Iterator[str]:
    """Yield the vectors that a condition compares or combines: each must have samples, or it can never be true.

    A condition that is true of nothing (`absent`, an alert that is quiet) is not one without data.
    """
    if isinstance(parsed, promql_parser.ParenExpr):
        yield from operands(parsed.expr)
    elif isinstance(parsed, promql_parser.BinaryExpr) and str(parsed.op) in COMPARISONS | SETS:
        yield from operands(parsed.lhs)
        yield from operands(parsed.rhs)
    elif isinstance(parsed, promql_parser.BinaryExpr) and _is_constant(parsed):
        return
    elif isinstance(parsed, promql_parser.Call) and parsed.func.name == "absent":
        yield from operands(parsed.args[0])
    elif not isinstance(parsed, promql_parser.NumberLiteral):
        yield parsed.prettify()


def metrics(text: str) -> set[str]:
    """Return the names of the series that an expression selects."""
    found: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector) and node.name:
            found.add(node.name)

    promql_parser.walk(promql_parser.parse(text), visit)
    return found


def _is_constant(parsed: Any) -> bool:
    return not metrics(parsed.prettify())


def _values(query: str) -> str:
    match = LABEL_VALUES.fullmatch(query)
    if match is None:
        raise ValueError(f"a variable is asked in a way that is not known here: {query}")
    selector, label = match.groups()
    with_label = f'{{{label}!=""' if "{" not in selector else f'{{{label}!="",'
    name, _, matchers = selector.partition("{")
    return f"group by ({label}) ({name}{with_label}{matchers or '}'})"
