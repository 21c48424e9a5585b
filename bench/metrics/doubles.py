"""Doubles of all metrics: silent ones, ones that write down what is asked of them, and how that is done again."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry

from stream.telemetry import Metrics

LOOK_UP: Final = "labels"
MICROSECONDS: Final = 1e6


class Operation(NamedTuple):
    """One call of a metric; finding a series by its labels is one of its own."""

    metric: str
    labels: tuple[str, ...]
    method: str
    arguments: tuple[Any, ...]


class Silent:
    """A metric that does nothing."""

    def labels(self, *_values: str) -> "Silent":
        return self

    def inc(self, amount: float = 1) -> None: ...
    def set(self, value: float) -> None: ...
    def observe(self, amount: float) -> None: ...
    def state(self, state: str) -> None: ...
    def set_function(self, function: Callable[[], float]) -> None: ...
    def remove(self, *values: str) -> None: ...


class Recording:
    """A metric that writes down what is asked of it."""

    def __init__(self, name: str, operations: list[Operation], labels: tuple[str, ...] = ()) -> None:
        self._name = name
        self._operations = operations
        self._labels = labels

    def labels(self, *values: str) -> "Recording":
        self._operations.append(Operation(self._name, values, LOOK_UP, ()))
        return Recording(self._name, self._operations, values)

    def inc(self, amount: float = 1) -> None:
        self._note("inc", amount)

    def set(self, value: float) -> None:
        self._note("set", value)

    def observe(self, amount: float) -> None:
        self._note("observe", amount)

    def state(self, state: str) -> None:
        self._note("state", state)

    def set_function(self, function: Callable[[], float]) -> None: ...  # asked at each scrape
    def remove(self, *values: str) -> None: ...

    def _note(self, method: str, *arguments: Any) -> None:
        self._operations.append(Operation(self._name, self._labels, method, arguments))


class Doubles(Metrics):
    """The product's metrics by their names, each as `make` makes it."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self.by_name: dict[str, Any] = {}
        self._make = make
        super().__init__(CollectorRegistry())

    def counter(self, name: str, *_: Any) -> Any:
        return self._made(name)

    def gauge(self, name: str, *_: Any) -> Any:
        return self._made(name)

    def histogram(self, name: str, *_: Any, **__: Any) -> Any:
        return self._made(name)

    def states(self, name: str, *_: Any, **__: Any) -> Any:
        return self._made(name)

    def _made(self, name: str) -> Any:
        self.by_name[name] = self._make(name)
        return self.by_name[name]


class Named(Metrics):
    """The product's metrics as they are, also by their names."""

    def __init__(self) -> None:
        self.by_name: dict[str, Any] = {}
        super().__init__(CollectorRegistry())

    def counter(self, name: str, *rest: Any) -> Any:
        return self._named(name, super().counter(name, *rest))

    def gauge(self, name: str, *rest: Any) -> Any:
        return self._named(name, super().gauge(name, *rest))

    def histogram(self, name: str, *rest: Any, **more: Any) -> Any:
        return self._named(name, super().histogram(name, *rest, **more))

    def states(self, name: str, *rest: Any, **more: Any) -> Any:
        return self._named(name, super().states(name, *rest, **more))

    def _named(self, name: str, metric: Any) -> Any:
        self.by_name[name] = metric
        return metric


def silent() -> Doubles:
    """Return metrics that do nothing."""
    return Doubles(lambda _: Silent())


def recording(operations: list[Operation]) -> Doubles:
    """Return metrics that write down what is asked of them."""
    return Doubles(lambda name: Recording(name, operations))


def again(operations: Sequence[Operation], by_name: Mapping[str, Any]) -> list[Callable[[], object]]:
    """Return what does the operations again; a series that was kept, and not looked up, is kept here, too."""
    return [_act(operation, by_name[operation.metric]) for operation in operations]


def cpu_us(acts: Sequence[Callable[[], object]], times: int) -> float:
    """Return the CPU microseconds that all of the acts take once."""
    began = time.process_time()
    for _ in range(times):
        for act in acts:
            act()
    return (time.process_time() - began) / times * MICROSECONDS


def _act(operation: Operation, metric: Any) -> Callable[[], object]:
    if operation.method == LOOK_UP:
        return partial(metric.labels, *operation.labels)
    series = metric.labels(*operation.labels) if operation.labels else metric
    return partial(getattr(series, operation.method), *operation.arguments)
