"""What a run of a two-way sync knows of its two orgs before the first row: who we are in each, and how their clocks go.

Sides are those of the step at hand: `turned` gives them for a step that goes the other way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from isthmus.salesforce import routes
from isthmus.salesforce.session import Session
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.flow.sides import asking

_SAME_ID: Final = 15
"""An id's first 15 characters are the id; three more are a check sum."""


class _Me(msgspec.Struct, frozen=True):
    user_id: str


@dataclass(frozen=True, slots=True)
class Both:
    """Both orgs of a step. `ahead`: by how much each clock is ahead of that of the sync's source."""

    sessions: tuple[Session, Session]
    users: tuple[str, str] = ("", "")
    ahead: tuple[timedelta, timedelta] = (timedelta(), timedelta())

    def turned(self) -> Both:
        """Return the same orgs for a step that reads the sync's target."""
        (source, target), (here, there), (early, late) = self.sessions, self.users, self.ahead
        return Both((target, source), (there, here), (late, early))

    def is_ours(self, side: int, user_id: object) -> bool:
        """Whether the user of that id is the one as whom we are connected to that side."""
        return isinstance(user_id, str) and user_id[:_SAME_ID] == self.users[side][:_SAME_ID] != ""

    def common(self, side: int, instant: datetime) -> datetime:
        """Return a time of that side's clock by the clock of the sync's source."""
        return instant - self.ahead[side]


async def look_at_both(sessions: tuple[Session, Session]) -> Both:
    """Ask both orgs who we are and what time it is: four requests, none of which counts against their limits."""
    users: list[str] = []
    clocks: list[datetime] = []
    for side in (SOURCE, TARGET):
        with asking(side):
            users.append((await sessions[side].json(routes.USERINFO, _Me)).user_id)
            clocks.append(await sessions[side].server_time())
    return Both(sessions, (users[0], users[1]), (timedelta(), clocks[TARGET] - clocks[SOURCE]))
