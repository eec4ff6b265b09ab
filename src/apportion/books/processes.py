"""Whether the process that began something is still at work on it."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

# A process on another machine cannot be asked whether it lives; after a day it is taken for dead.
STALE_AFTER = timedelta(days=1)


def alive(host: str, process: int, since: datetime, now: datetime) -> bool:
    """Whether a process lives, as far as this machine can tell.

    Args:
        host: The machine it was started on.
        process: Its number there.
        since: When it began, with a time zone.
        now: With a time zone.
    """
    if host != socket.gethostname():
        return now - since < STALE_AFTER
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
