"""How the text of one environment variable becomes a value, and the sentence for an operator when it cannot."""

import math
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec
from dotenv.parser import parse_stream
from msgspec import Meta

from stream.logs import mask

MAX_SHOWN_CHARACTERS: Final = 120
BOOLEANS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


class WrongSettingError(Exception):
    """A setting is missing or wrong; the message is one line for the operator."""


class Secret:
    """A string that is shown nowhere by accident; `reveal()` hands it to the one client that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret('***')" if self._value else "Secret('')"


def convert(variable: str, text: str, hint: Any) -> Any:
    """Return the value that `hint` asks for.

    Raises:
        WrongSettingError: When the text is not what is allowed.
    """
    base = base_type(hint)
    if base is Secret:
        return Secret(text)
    raw = _raw(text, base)
    try:
        value = msgspec.convert(raw, hint, strict=False)
    except msgspec.ValidationError as error:
        raise wrong(variable, text, sentence(hint)) from error
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong(variable, text, sentence(hint))
    return value


def sentence(hint: Any) -> str:
    """Return what is allowed and what the setting means, e.g. `a whole number from 1 to 9. Copies of a partition`."""
    return ". ".join(part for part in (allowed(hint), description(hint)) if part)


def allowed(hint: Any) -> str:
    """Return the values that a setting takes, for people."""
    base = base_type(hint)
    if get_origin(base) is Literal:
        return "one of " + ", ".join(choice or "(empty)" for choice in get_args(base))
    if base is bool:
        return "one of " + ", ".join(BOOLEANS)
    if base in {int, float}:
        return ("a whole number" if base is int else "a number") + _bounds(hint)
    if get_origin(base) is tuple:
        return "a list separated by commas, or empty"
    return _form(hint) or ("text" if _limit(hint, "min_length") else "text, or empty")


def description(hint: Any) -> str:
    """Return the sentence that describes a setting, from its annotation."""
    return "; ".join(meta.description for meta in _metas(hint) if meta.description)


def is_required(hint: Any) -> bool:
    """Return whether a process does not start without the setting."""
    return any((meta.extra or {}).get("required") for meta in _metas(hint))


def base_type(hint: Any) -> Any:
    """Return the type without its annotation."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def wrong(variable: str, value: str, allowed: str) -> WrongSettingError:
    """Return the error that names the variable, the value with credentials masked, and what is allowed."""
    shown = mask(value)
    shown = shown if len(shown) <= MAX_SHOWN_CHARACTERS else shown[:MAX_SHOWN_CHARACTERS] + "…"
    given = f"{variable}={shown!r} is wrong" if value else f"{variable} is not set"
    return WrongSettingError(f"{given}: {allowed}")


def require(satisfied: bool, variable: str, value: str, allowed: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise `WrongSettingError` unless satisfied."""
    if not satisfied:
        raise wrong(variable, value, allowed)


def require_placeholders(variable: str, template: str, known: set[str], *, needed: str) -> None:
    """Raise `WrongSettingError` unless the template holds `needed` and no placeholder that is not known."""
    try:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise wrong(variable, template, f"not a template: {error}") from error
    allowed_names = ", ".join(f"{{{name}}}" for name in sorted(known))
    require(names <= known, variable, template, f"placeholders allowed: {allowed_names}")
    require(needed in names, variable, template, f"must contain {{{needed}}}")


def read_env_file(path: Path) -> dict[str, str]:
    """Read NAME=value lines; a file that does not exist holds none, and values are taken as they stand.

    Raises:
        WrongSettingError: Names the line that is not NAME=value; its text is not repeated, for it may hold a secret.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            bindings = list(parse_stream(lines))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSettingError(f"{path} cannot be read: {error}") from error
    for binding in bindings:
        if binding.error or (binding.key and binding.value is None):
            line = binding.original.line + _blank_lines(binding.original.string)
            raise WrongSettingError(f"{path} line {line} is wrong: NAME=value, a comment after #, or an empty line")
    return {binding.key: binding.value or "" for binding in bindings if binding.key}


def _raw(text: str, base: Any) -> Any:
    if get_origin(base) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if base is bool:
        return BOOLEANS.get(text.strip().lower(), text)
    if base in {int, float}:
        return text.strip()
    return text


def _bounds(hint: Any) -> str:
    least, above, most, below = (_limit(hint, name) for name in ("ge", "gt", "le", "lt"))
    if least is not None and most is not None:
        return f" from {least:g} to {most:.12g}"
    lower = f"at least {least:g}" if least is not None else f"greater than {above:g}" if above is not None else ""
    upper = f"at most {most:.12g}" if most is not None else f"less than {below:g}" if below is not None else ""
    both = " and ".join(part for part in (lower, upper) if part)
    return f" {both}" if both else ""


def _form(hint: Any) -> str:
    # A pattern is for the machine; the annotation of the type says it in words beside it.
    return next((str(extra["form"]) for extra in (meta.extra or {} for meta in _metas(hint)) if "form" in extra), "")


def _limit(hint: Any, name: str) -> Any:
    found = [value for value in (getattr(meta, name) for meta in _metas(hint)) if value is not None]
    return found[-1] if found else None


def _metas(hint: Any) -> Iterator[Meta]:
    annotations = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return (annotation for annotation in annotations if isinstance(annotation, Meta))


def _blank_lines(text: str) -> int:
    return len(text) - len(text.lstrip("\n"))
