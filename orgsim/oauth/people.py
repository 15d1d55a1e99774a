"""The org's users, as signing in needs them; read from the User table each time, so that changes count at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orgsim.store.results import Row

if TYPE_CHECKING:
    from orgsim.org import Org

PASSWORD: Final = "orgsim"
"""Every user's password. Public: an emulator has no secrets."""


@dataclass(frozen=True, slots=True)
class Person:
    """One User row."""

    row: Row

    def text(self, field: str) -> str:
        """Return a field as text; empty where null."""
        value = self.row.get(field)
        return "" if value is None else str(value)

    @property
    def user_id(self) -> str:
        """The 18-character id."""
        return self.text("Id")

    @property
    def username(self) -> str:
        """The name to sign in with."""
        return self.text("Username")

    @property
    def name(self) -> str:
        """The full name, as shown on the consent page."""
        return self.text("Name") or f"{self.text('FirstName')} {self.text('LastName')}".strip()

    @property
    def is_active(self) -> bool:
        """Whether the user may sign in and call at all."""
        return self.row.get("IsActive") is not False


def by_id(org: Org, user_id: str) -> Person | None:
    """Return the user with this 18-character id, or None."""
    row = org.tables["user"].get(user_id)
    return None if row is None else Person(row)


def by_username(org: Org, username: str) -> Person | None:
    """Return the user with this name in any capitalisation, or None."""
    table = org.tables["user"]
    field = org.objects["user"].field("Username")
    found = table.equal(field, username) if field is not None else None
    wanted = username.casefold()
    for row in table.scan() if found is None else found:
        if str(row.get("Username", "")).casefold() == wanted:
            return Person(row)
    return None
