"""A witness: how often a client has put another value where it, or another client, had put one before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from orgsim.store.results import Row


class Rewrites:
    """Counts by object and field. A row that is made, a field that was null and an equal value count nothing."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def note(self, object_name: str, before: Row, changes: Mapping[str, object]) -> None:
        """Look at one update."""
        for name, value in changes.items():
            there = before.get(name)
            if there is not None and there != value:
                self._counts[object_name, name] += 1

    def as_json(self) -> dict[str, dict[str, int]]:
        """Return the counts: {object: {field: times}}."""
        found: dict[str, dict[str, int]] = {}
        for (object_name, field_name), times in sorted(self._counts.items()):
            found.setdefault(object_name, {})[field_name] = times
        return found

    def forget(self) -> None:
        """Begin anew."""
        self._counts.clear()
