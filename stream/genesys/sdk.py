"""The official SDK, without what its import and its configuration do to a process.

`import PureCloudPlatformClientV2` loads thousands of models (13 s of CPU, 262 MB), and the first `ApiClient` silences
urllib3's logger and starts a thread that watches the folder of a configuration file, which may be all of $HOME. Only
the SDK's HTTP half is loaded here, from the installed and unmodified distribution.
"""

import importlib
import importlib.util
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

DISTRIBUTION: Final = "PureCloudPlatformClientV2"
SILENCED_LOGGERS: Final = ("urllib3", "watchdog")  # logger.py:8-12 of 269.0.0
CONFIG_FILE: Final = Path(".genesyscloudpython") / "config"  # configuration.py:127 of 269.0.0
WITHOUT_WATCHER: Final = "[general]\nlive_reload_config = false\n"


@dataclass(frozen=True, slots=True)
class Sdk:
    """The classes of the SDK that are used here; each `load_sdk()` has a copy of its own."""

    ApiClient: Any
    ApiException: Any
    AbstractHttpClient: Any
    HttpRequestOptions: Any
    RestResponse: Any


def load_sdk() -> Sdk:
    """Load the SDK's HTTP half and configure it so that nothing outside it changes.

    The modules do not stay in `sys.modules`, so a later import of the whole package still works.
    """
    with _package_without_init():
        client = importlib.import_module(f"{DISTRIBUTION}.api_client")
        rest = importlib.import_module(f"{DISTRIBUTION}.rest")
        _configure_quietly(importlib.import_module(f"{DISTRIBUTION}.configuration"))
    return Sdk(
        ApiClient=client.ApiClient,
        ApiException=rest.ApiException,
        AbstractHttpClient=client.AbstractHttpClient,
        HttpRequestOptions=client.HttpRequestOptions,
        RestResponse=rest.RESTResponse,
    )


@contextmanager
def _package_without_init() -> Iterator[None]:
    """Put packages in place whose `__init__` has not run, and take everything away again afterwards."""
    before = _take_out()
    spec = importlib.util.find_spec(DISTRIBUTION)
    if spec is None:
        raise ModuleNotFoundError(f"{DISTRIBUTION} is not installed", name=DISTRIBUTION)
    package = _empty_package(spec)
    models = ModuleType(f"{DISTRIBUTION}.models")  # api_client names it, but untyped answers never reach it
    package.models = models  # type: ignore[attr-defined]
    sys.modules |= {DISTRIBUTION: package, models.__name__: models}
    try:
        yield
    finally:
        _take_out()
        sys.modules |= before


def _empty_package(spec: ModuleSpec) -> ModuleType:
    package = ModuleType(spec.name)
    package.__spec__ = spec
    package.__path__ = list(spec.submodule_search_locations or ())
    return package


def _take_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.split(".")[0] == DISTRIBUTION]
    return {name: sys.modules.pop(name) for name in names}


def _configure_quietly(configuration: ModuleType) -> None:
    """Build the SDK's one Configuration from a file of ours, so that no watcher starts and no $HOME is read."""
    with tempfile.TemporaryDirectory() as home, _loggers_kept():
        file = Path(home) / CONFIG_FILE
        file.parent.mkdir()
        file.write_text(WITHOUT_WATCHER)
        configuration.expanduser = lambda _: home  # type: ignore[attr-defined] # this copy of the module is ours
        configuration.Configuration()


@contextmanager
def _loggers_kept() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in SILENCED_LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.propagate = propagate
