"""What can go wrong with the database, sorted by what the caller does next. No message holds a value."""

from __future__ import annotations

from typing import Final

EXIT_UNAVAILABLE: Final = 75
"""How a process of ours ends that found the database away (EX_TEMPFAIL): started again later, it may get further."""


class DatabaseError(Exception):
    """Anything that the database refused or could not do."""


class Conflict(DatabaseError):
    """Something of that name or key exists already; `constraint` names the rule."""

    def __init__(self, constraint: str) -> None:
        """Keep the rule's name."""
        super().__init__(f"exists already ({constraint})")
        self.constraint = constraint


class Refused(DatabaseError):
    """The database does not allow it: no privilege, another tenant's row, a value outside its domain."""

    def __init__(self, rule: str) -> None:
        """Keep the name of the rule or the SQLSTATE."""
        super().__init__(f"the database refused it ({rule})")
        self.rule = rule


class Unavailable(DatabaseError):
    """The database does not answer; trying again later may help."""


class SchemaTooNew(DatabaseError):
    """The database was made by a newer Isthmus."""


class DatabaseUnusable(DatabaseError):
    """The database cannot be used as it is; the message says why and what to do."""
