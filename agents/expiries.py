"""What a row of the due table says of the end of a preview; pure."""

import msgspec

from agents.tables.due import DueRow
from stream.messages import Expire, Together, decode_lifecycle_command


def expiry_of(row: DueRow) -> Expire | None:
    """Return the order that a row holds, alone where it failed together with others before."""
    try:
        command = decode_lifecycle_command(row.value or b"")
    except msgspec.DecodeError:  # nobody's row of ours
        return None
    if isinstance(command, Together):
        command = command.commands[0]
    return command if isinstance(command, Expire) else None


def promised_until(row: DueRow | None) -> float:
    """Return until when a preview was promised to stay, Unix seconds; that of a held one may be looked at later."""
    command = None if row is None else expiry_of(row)
    return 0.0 if command is None else command.expires_at
