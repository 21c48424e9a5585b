"""Runs a seccomp filter as the kernel would, for machines other than this one."""

from collections.abc import Sequence

from agents.rendering import seccomp
from agents.rendering.seccomp import Instruction


def verdict(program: Sequence[Instruction], machine: str, number: int, *arguments: int) -> int:
    """Return what the filter says of a call (seccomp(2), Documentation/networking/filter.rst)."""
    data = {seccomp.NUMBER_AT: number, seccomp.ARCHITECTURE_AT: seccomp.ARCHITECTURES[machine]}
    data |= {seccomp.ARGUMENTS_AT + 8 * place: value & 0xFFFFFFFF for place, value in enumerate(arguments)}
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == seccomp.RETURN:
            return value
        if code == seccomp.LOAD_WORD:
            accumulator = data.get(value, 0)
        elif code == seccomp.AND:
            accumulator &= value
        else:
            at += if_true if _holds(code, accumulator, value) else if_false


def _holds(code: int, accumulator: int, value: int) -> bool:
    if code == seccomp.IF_EQUAL:
        return accumulator == value
    if code == seccomp.IF_AT_LEAST:
        return accumulator >= value
    assert code == seccomp.IF_ANY_BIT
    return bool(accumulator & value)
