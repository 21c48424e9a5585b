"""The layers of a child's confinement, as parent and children name them, and what the parent makes of a missing one."""

import logging
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum

logger = logging.getLogger(__name__)


class Layer(StrEnum):
    """A layer of the confinement, as settings, metrics and log lines call it."""

    NO_NEW_PRIVILEGES = "no_new_privileges"
    CAPABILITIES = "capabilities"
    RESOURCE_LIMITS = "resource_limits"
    NETWORK_NAMESPACE = "network_namespace"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"


Layers = Mapping[Layer, str]
"""Each layer with what keeps it from being in force: nothing, or the kernel's reason."""


class Requirement:
    """What a deployment asks of the confinement of every child.

    `on_layer` hears of each layer whether it is in force: once, and again should that change.
    """

    def __init__(
        self, required: Collection[Layer] = (), on_layer: Callable[[Layer, bool], None] = lambda *_: None
    ) -> None:
        self.required = frozenset(required)
        self._on_layer = on_layer
        self._known: dict[Layer, bool] = {}

    def unmet(self, layers: Layers) -> str:
        """Tell what is in force, and return what is required and missing, in words; empty when nothing is."""
        obstacles = {layer: layers.get(layer, "unknown") for layer in Layer}
        for layer, obstacle in obstacles.items():
            self._tell(layer, obstacle)
        return ", ".join(
            f"{layer} ({obstacles[layer]})" for layer in Layer if layer in self.required and obstacles[layer]
        )

    def _tell(self, layer: Layer, obstacle: str) -> None:
        in_force = not obstacle
        if self._known.get(layer) is in_force:
            return
        self._known[layer] = in_force
        self._on_layer(layer, in_force)
        if not in_force:
            logger.warning("rendering.confinement_layer_missing", extra={"layer": layer.value, "obstacle": obstacle})
