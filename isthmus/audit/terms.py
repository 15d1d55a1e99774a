"""Which lines of the contract are about which pool, and which of them count today. Pure.

A line is about the user licences that it names by key or name. Where there is none, it is about the permission set
licence of that key, else of that name, else of that label, if only one has it. So no line is ever about a user licence
and a permission set licence at once, or about two permission set licences: its quantity would count twice.

A line that another one of the same pool follows at once (a ramp, or a renewal that is signed) ends without a notice:
what can be given back is decided when the last of them ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from isthmus.audit.given.contract import ContractItem, in_force
from isthmus.audit.model import LicenseRow, PslRow

_DAY: Final = timedelta(days=1)


class Terms:
    """The contract's lines by pool. `strange` are the names of lines that are about nothing of the org."""

    def __init__(
        self,
        licenses: Sequence[LicenseRow] = (),
        psls: Sequence[PslRow] = (),
        contract: Sequence[ContractItem] = (),
        today: date = date.min,
    ) -> None:
        """Look the lines up among the org's licences."""
        self.today = today
        found: dict[str, list[ContractItem]] = defaultdict(list)
        strange: list[str] = []
        for item in contract:
            name = item.license.strip().casefold()
            pools = [row.id for row in licenses if name in _folded(row.key, row.name, row.label)]
            pools = pools or _one_psl(name, psls)
            for pool in pools:
                found[pool].append(item)
            if not pools:
                strange.append(item.license)
        self.strange = tuple(strange)
        self._of = {pool: tuple(items) for pool, items in found.items()}
        self._now = {pool: in_force(items, today) for pool, items in self._of.items()}

    def of(self, pool: str) -> tuple[ContractItem, ...]:
        """Return the lines about this pool, whenever their terms are."""
        return self._of.get(pool, ())

    def now(self, pool: str) -> tuple[ContractItem, ...]:
        """Return those of them that count today: quantities, minimums and prices of other terms are not added."""
        return self._now.get(pool, ())

    def followers(self, pool: str, item: ContractItem) -> tuple[ContractItem, ...]:
        """Return the lines that begin when this one ends, or on the next day, and have not begun yet.

        Where several lines end on a day, one of another product that ends then is not followed by this one's successor.
        """
        later = [
            other
            for other in self.of(pool)
            if other.start is not None
            and other.start > self.today
            and item.end <= other.start <= item.end + _DAY
            and other.end > item.end
        ]
        mine = tuple(other for other in later if other.sku == item.sku)
        others = {other.sku for other in self.of(pool) if other.end == item.end and other.sku != item.sku}
        return mine or tuple(other for other in later if other.sku not in others)

    def renewing(self, pool: str) -> tuple[ContractItem, ...]:
        """Return the lines at whose end seats can be given back: those that count today, or their last followers."""
        return tuple(item for item in self.chain(pool) if not self.followers(pool, item))

    def chain(self, pool: str) -> tuple[ContractItem, ...]:
        """Return the lines that count today and all that follow them."""
        found = list(self.now(pool))
        for item in found:  # grows while it is gone through; each follower ends later, so it comes to an end
            found += [other for other in self.followers(pool, item) if other not in found]
        return tuple(found)

    def renewable(self, pool: str) -> int | None:
        """Return how many of today's seats the last terms still have, or None where no line counts."""
        seats, last = self.contracted(pool), self.renewing(pool)
        return None if seats is None else min(seats, sum(item.quantity for item in last))

    def contracted(self, pool: str) -> int | None:
        """Return the seats under contract today, or None where no line counts."""
        items = self.now(pool)
        return sum(item.quantity for item in items) if items else None

    def minimum(self, pool: str) -> int:
        """Return the least that has to be renewed."""
        return sum(item.minimum_quantity for item in self.renewing(pool))


def _one_psl(name: str, psls: Sequence[PslRow]) -> list[str]:
    for called in (
        [row.id for row in psls if name == row.key.strip().casefold()],
        [row.id for row in psls if name == row.name.strip().casefold()],
        [row.id for row in psls if name == row.label.strip().casefold()],
    ):
        if called:
            return called if len(called) == 1 else []
    return []


def _folded(*names: str) -> frozenset[str]:
    return frozenset(name.strip().casefold() for name in names if name)
