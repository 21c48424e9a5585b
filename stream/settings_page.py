"""The settings laid out for people: .env.example, docs/settings.md and what a process would run with."""

import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stream.logs import mask
from stream.settings import BridgeSettings, KafkaSettings
from stream.variables import Secret, allowed, description, is_required

GENERATED: Final = "Generated from the settings classes; a test fails when it is out of date."


@dataclass(frozen=True, slots=True)
class Group:
    """The settings of one kind of process, without those that another group shows already."""

    title: str
    kind: type[KafkaSettings]
    shown_before: type[KafkaSettings] | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable as it is documented."""

    variable: str
    default: str
    allowed: str
    meaning: str
    required: bool


EVERY_PROCESS: Final = Group("Every process", KafkaSettings)
BRIDGE: Final = Group("Bridge (`python -m stream bridge`)", BridgeSettings, KafkaSettings)


def settings_of(group: Group) -> Iterator[Setting]:
    """Yield the settings of a group in the order of their class."""
    hidden = set(group.shown_before.__struct_fields__) if group.shown_before else set()
    hints = typing.get_type_hints(group.kind, include_extras=True)
    for name, default in zip(group.kind.__struct_fields__, group.kind.__struct_defaults__, strict=True):
        hint = hints[name]
        if name not in hidden:
            required = is_required(hint)
            values = allowed(hint).removesuffix(", or empty") if required else allowed(hint)
            yield Setting(name.upper(), spelled(default), values, description(hint), required)


def example(groups: Sequence[Group]) -> str:
    """Return a .env file that sets nothing but names everything, with defaults and units."""
    lines = ["# Copy to .env and set what differs; the environment wins over the file.", f"# {GENERATED}"]
    for group in groups:
        lines += ["", f"# ---- {group.title.replace('`', '')}"]
        for setting in settings_of(group):
            needed = " Must be set." if setting.required else ""
            lines += ["", f"# {setting.meaning.rstrip('.')}.{needed}", f"# {setting.allowed}"]
            lines.append(f"{'' if setting.required else '# '}{setting.variable}={_quoted(setting.default)}")
    return "\n".join(lines) + "\n"


def page(groups: Sequence[Group]) -> str:
    """Return docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Each process reads its settings from the environment, and from an optional `.env` file in its working folder,",
        "over which the environment wins. An empty variable counts as unset. A wrong value ends the start with one",
        "line that names the variable, the value and what is allowed; secrets are never shown.",
        "",
        GENERATED,
    ]
    for group in groups:
        lines += [
            "",
            f"## {group.title}",
            "",
            "| variable | default | allowed | meaning |",
            "| --- | --- | --- | --- |",
        ]
        lines += [_row(setting) for setting in settings_of(group)]
    return "\n".join(lines) + "\n"


def effective(settings: KafkaSettings) -> str:
    """Return NAME=value lines of what a process would run with, secrets and credentials masked."""
    values = ((name.upper(), getattr(settings, name)) for name in settings.__struct_fields__)
    return "\n".join(f"{variable}={_quoted(mask(spelled(value)))}" for variable, value in values)


def spelled(value: Any) -> str:
    """Write a value as its variable would hold it; a secret that is set shows as ***."""
    if isinstance(value, Secret):
        return "***" if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float):
        return f"{value:.12g}"
    return str(value)


def _quoted(text: str) -> str:
    return f"'{text}'" if any(character in text for character in " #\"'") else text


def _row(setting: Setting) -> str:
    default = "**required**" if setting.required else f"`{setting.default}`" if setting.default else ""
    cells = (f"`{setting.variable}`", default, setting.allowed, setting.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
