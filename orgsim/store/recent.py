"""RecentlyViewed: a table made of what users looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.store.derive import person_name
from orgsim.store.results import Row, Value

if TYPE_CHECKING:
    from orgsim.org import Org

VIEWER: Final = "_Viewer"
"""Not a field: the user whose view a row stands for; queries show everybody their own."""

_COPIED: Final = ("LastName", "FirstName", "Alias", "UserRoleId", "RecordTypeId", "IsActive", "ProfileId", "Title")


class RecentlyViewed:
    """A read-only Table over `org.views`."""

    def __init__(self, org: Org, definition: ObjectDef) -> None:
        self._org = org
        self.definition = definition

    def count(self) -> int:
        """Return the number of views of all users."""
        return len(self._org.views)

    def get(self, row_id: str) -> Row | None:
        """Return anybody's view of a row."""
        return next((row for row in self._rows() if row["Id"] == row_id), None)

    def scan(self) -> Iterable[Row]:
        """Return all views, the oldest first."""
        return list(self._rows())

    def equal(self, field: FieldDef, value: Value) -> Iterable[Row] | None:
        """Return None: no index."""
        del field, value
        return None

    def between(self, field: str, lower: datetime | None, upper: datetime | None) -> Iterable[Row] | None:
        """Return None: no index."""
        del field, lower, upper
        return None

    def put(self, row: Row) -> None:
        """Ignore the row: views are made by looking."""

    def remove(self, row_id: str) -> None:
        """Forget everybody's view of a row."""
        for key in [key for key in self._org.views if key[1] == row_id]:
            del self._org.views[key]

    def _rows(self) -> Iterator[Row]:
        for user_id, row_id in list(self._org.views):
            definition = self._org.object_of_id(row_id)
            seen = None if definition is None else self._org.tables[definition.name.lower()].get(row_id)
            if definition is None or seen is None or seen.get("IsDeleted"):
                continue
            row: Row = {name: seen[name] for name in _COPIED if seen.get(name) is not None}
            person = definition.field("LastName") is not None
            name = person_name(seen) if person else seen.get("Name")
            yield {**row, "Id": row_id, "Name": name, "Type": definition.name, VIEWER: user_id}
