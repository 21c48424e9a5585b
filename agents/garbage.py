"""What the garbage collector need not look at."""

import gc


def freeze() -> None:
    """Let collections leave alone what is there now, all but garbage: a full one holds up the loop by what it looks at.

    What was frozen before is looked at once more: it may be garbage by now, which nothing else would ever free.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
