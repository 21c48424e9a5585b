"""`python -m tests.confinement`: tries every escape from real children; exits 1 when one came through.

The last line is one JSON object: {"escapes_tried":N,"escaped":0}.
"""

import asyncio
import json
import logging
import resource
import sys

from tests.confinement.cell import Attempt, cell
from tests.confinement.escapes import escapes

KIBIBYTE = 1024
MOST_PARENT_GROWTH_BYTES = 64_000_000


async def attempts() -> list[Attempt]:
    """Try them all, telling of each."""
    tried = []
    async with cell() as prison:
        for escape in escapes():
            attempt = await prison.attempt(escape)
            print(f"{'held   ' if attempt.held else 'ESCAPED'}  {escape}: {attempt.account}", flush=True)
            tried.append(attempt)
    return tried


def main() -> int:
    """Run, and sum up."""
    logging.getLogger("agents").setLevel(logging.ERROR)
    before = _peak_bytes()
    tried = asyncio.run(attempts())
    escaped = sum(not attempt.held for attempt in tried)
    if _peak_bytes() - before > MOST_PARENT_GROWTH_BYTES:
        print("ESCAPED  the parent's memory grew with what children sent")
        escaped += 1
    print(json.dumps({"escapes_tried": len(tried), "escaped": escaped}))
    return 1 if escaped else 0


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE


if __name__ == "__main__":
    sys.exit(main())
