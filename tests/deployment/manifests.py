"""Manifests for tests: rendered by Helm, which a machine may lack."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.deployment import validation
from tests.deployment.helm import VALUES, Manifest, Rendered, template
from tests.harness.servers import MissingServerError, skip_or_fail

ENOUGH: Final = ("--values", VALUES / "minimal.yaml")
EVERYTHING: Final = ("--values", VALUES / "production.yaml")

Manifests = dict[tuple[str, str], Manifest]
FoundT = TypeVar("FoundT")


def had(find: Callable[[], FoundT]) -> FoundT:
    """Return what needs a program that this machine may lack; without it skip, and fail in CI."""
    try:
        return find()
    except MissingServerError as error:
        skip_or_fail(str(error), os.environ)


def rendered(*arguments: str | Path) -> Rendered:
    return had(lambda: template(*arguments))


def made(*arguments: str | Path) -> Manifests:
    """Return what Helm makes with these arguments, by kind and name."""
    said = rendered(*arguments)
    assert not said.refusal
    return {(item["kind"], item["metadata"]["name"]): item for item in said.manifests}


def faults(manifest: Manifest) -> list[str]:
    return had(lambda: validation.faults(manifest))


def setting(variable: str, value: str) -> tuple[str, str]:
    return ("--set-string", f"settings.{variable}={value}")


def container(item: Manifest) -> dict[str, Any]:
    """Return the one container of a workload."""
    (only,) = item["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found
