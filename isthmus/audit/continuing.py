"""When an audit goes on that met the limit of the org's API calls: what it has read is kept meanwhile. Pure.

The org counts the calls of the last 24 hours, so some become free again by the hour. What was read stands as of the
audit's own instant, however late the rest of it is read; after three days the oldest logins may have gone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from isthmus.audit.failures import Failure

LOOK_AGAIN: Final = timedelta(hours=1)
"""As syncs do: a look costs a few calls, and says whether the rest can be afforded."""
WAITING_MAX: Final = timedelta(days=3)


def continues_at(failure: Failure, *, kept: bool, began_at: datetime, now: datetime) -> datetime | None:
    """Return when an audit that stopped so goes on; None if it ends.

    It ends if it was not the limit that stopped it, if nothing that was read is kept, and three days after it began.
    """
    at = now + LOOK_AGAIN
    if failure is not Failure.LIMITED or not kept or at > began_at + WAITING_MAX:
        return None
    return at
