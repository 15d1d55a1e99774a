"""Results that wait for their next page."""

from __future__ import annotations

from typing import Final

from orgsim.errors import ApiError
from orgsim.soql.result import QueryResult

LIFETIME_CURSORS_MAX: Final = 10_000


class Cursors:
    """Open results by cursor id. A locator is the cursor id, a dash, and the offset of the next row."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, QueryResult]] = {}

    def keep(self, user_id: str, result: QueryResult, *, per_user_max: int) -> None:
        """Keep a result; with a limit, the user's oldest gives way."""
        if result.cursor is None:
            return
        self._open[result.cursor] = (user_id, result)
        own = [key for key, (owner, _) in self._open.items() if owner == user_id] if per_user_max else []
        for key in own[: max(0, len(own) - per_user_max)] if per_user_max else []:
            del self._open[key]
        while len(self._open) > LIFETIME_CURSORS_MAX:
            del self._open[next(iter(self._open))]

    def page(self, user_id: str, locator: str) -> QueryResult:
        """Return the page that a locator means; ApiError INVALID_QUERY_LOCATOR if there is none for this user."""
        cursor, _, offset = locator.rpartition("-")
        owner, result = self._open.get(cursor, ("", None))
        if result is None or owner != user_id or not offset.isdigit() or int(offset) >= max(1, len(result.rows)):
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return result.at(int(offset))

    def drop_all(self) -> None:
        """Forget every open result."""
        self._open.clear()
