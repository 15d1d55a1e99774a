"""Which people to move to another licence: the cheapest choice among the moves that Salesforce permits. Pure, exact.

A seat that is moved is given back at the renewal, down to the contract's minimum, and costs what the other licence
costs, unless that comes free up to an allowance. Which moves are best together is a flow of least cost through

    source of people → licence now → group of people → licence then → sink

with whole seats as capacities: successive cheapest paths give the optimum, and it is whole, too. What a limit costs is
found by solving again without it (or with one seat more), so it is exact as well.

Legal moves (Salesforce Knowledge 000384799): a full licence becomes a Platform one in place. Software is planned with
a new user on Salesforce Integration: whether the present one can change is not established. Nobody is moved in place
to Chatter or Identity: that needs a new user, and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

ZERO: Final = Decimal(0)


class How(StrEnum):
    """What a move takes."""

    IN_PLACE = "the same user, another profile"
    NEW_USER = "a new user, unless Salesforce lets the present one change; the old one is deactivated"


@dataclass(frozen=True, slots=True)
class Group:
    """People of one licence who could do with another one."""

    source: str
    target: str
    people: int
    how: How


@dataclass(frozen=True, slots=True)
class Source:
    """A licence that people could leave: its price a month, and how many seats the contract lets go of."""

    price: Decimal
    room: int


@dataclass(frozen=True, slots=True)
class Target:
    """A licence that people could get: seats that cost nothing, and the price of others (None: no others)."""

    free: int
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Choice:
    """How many people of each group (source, target) move, and what that saves a month."""

    moved: Mapping[tuple[str, str], int]
    monthly: Decimal


@dataclass(frozen=True, slots=True)
class Limit:
    """What a limit costs a month: an allowance for one seat more, a contract's minimum as a whole."""

    pool: str
    kind: str
    bound: int
    monthly: Decimal


ALLOWANCE: Final = "allowance"
MINIMUM: Final = "minimum"


def best(groups: Sequence[Group], sources: Mapping[str, Source], targets: Mapping[str, Target]) -> Choice:
    """Return the moves that save most; none that saves nothing."""
    network = _Network(groups, sources, targets)
    saved = ZERO
    while (path := network.cheapest()) is not None:
        saved += network.push(path)
    return Choice(network.moved(), saved)


def limits(
    groups: Sequence[Group],
    sources: Mapping[str, Source],
    targets: Mapping[str, Target],
    held_back: Mapping[str, int],
) -> tuple[Limit, ...]:
    """Return what each limit costs that costs anything. `held_back`: seats that the minimum of a source keeps."""
    now = best(groups, sources, targets).monthly
    found: list[Limit] = []
    for pool, target in targets.items():
        more = best(groups, sources, {**targets, pool: replace(target, free=target.free + 1)}).monthly
        if more > now:
            found.append(Limit(pool, ALLOWANCE, target.free, more - now))
    for pool, source in sources.items():
        if held_back.get(pool, 0):
            free = replace(source, room=source.room + held_back[pool])
            more = best(groups, {**sources, pool: free}, targets).monthly
            if more > now:
                found.append(Limit(pool, MINIMUM, held_back[pool], more - now))
    return tuple(sorted(found, key=lambda limit: (-limit.monthly, limit.kind, limit.pool)))


@dataclass(slots=True)
class _Edge:
    start: int
    end: int
    room: int
    cost: Decimal
    twin: int = -1


class _Network:
    """The flow while it grows: every edge has a twin that takes it back."""

    def __init__(self, groups: Sequence[Group], sources: Mapping[str, Source], targets: Mapping[str, Target]) -> None:
        self._edges: list[_Edge] = []
        names = ["start", "end", *(f"from {pool}" for pool in sources), *(f"to {pool}" for pool in targets)]
        self._nodes = {name: number for number, name in enumerate(names)}
        self._of_group: dict[tuple[str, str], int] = {}
        for pool, source in sources.items():
            self._connect("start", f"from {pool}", source.room, -source.price)
        for group in groups:
            if group.source in sources and group.target in targets:
                edge = self._connect(f"from {group.source}", f"to {group.target}", group.people, ZERO)
                self._of_group[group.source, group.target] = edge
        for pool, target in targets.items():
            self._connect(f"to {pool}", "end", target.free, ZERO)
            if target.price is not None:
                self._connect(f"to {pool}", "end", sum(group.people for group in groups), target.price)

    def cheapest(self) -> list[int] | None:
        """Return the edges of the path that saves most, or None if none saves anything (Bellman and Ford)."""
        best: dict[int, tuple[Decimal, int]] = {0: (ZERO, -1)}
        for _ in range(len(self._nodes)):
            changed = False
            for number, edge in enumerate(self._edges):
                if edge.room == 0 or edge.start not in best:
                    continue
                cost = best[edge.start][0] + edge.cost
                if edge.end not in best or cost < best[edge.end][0]:
                    best[edge.end] = (cost, number)
                    changed = True
            if not changed:
                break
        if 1 not in best or best[1][0] >= 0:
            return None
        path: list[int] = []
        node = 1
        while node != 0:
            edge = best[node][1]
            path.append(edge)
            node = self._edges[edge].start
        return path

    def push(self, path: Sequence[int]) -> Decimal:
        """Send as many people as fit along the path; return what they save a month."""
        people = min(self._edges[edge].room for edge in path)
        for edge in path:
            self._edges[edge].room -= people
            self._edges[self._edges[edge].twin].room += people
        return -sum((self._edges[edge].cost for edge in path), ZERO) * people

    def moved(self) -> dict[tuple[str, str], int]:
        """Return how many people of each group move."""
        return {key: self._edges[self._edges[edge].twin].room for key, edge in self._of_group.items()}

    def _connect(self, start: str, end: str, room: int, cost: Decimal) -> int:
        number = len(self._edges)
        here, there = self._nodes[start], self._nodes[end]
        self._edges.append(_Edge(here, there, room, cost, number + 1))
        self._edges.append(_Edge(there, here, 0, -cost, number))
        return number
