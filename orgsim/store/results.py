"""What a write is told and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Literal

Value = str | int | float | bool | datetime | date | time | None
"""A stored value. double, currency and percent are float; int is int; datetime is aware, UTC, whole milliseconds."""

Row = dict[str, Value]
"""A stored row by canonical field name; absent means null. Rows are replaced on change, never altered in place."""

Operation = Literal["insert", "update", "upsert", "delete", "hardDelete", "undelete"]


@dataclass(frozen=True, slots=True)
class WriteContext:
    """Who writes, through which door. `text` says that values are CSV cells, not JSON values.

    `all_headers` are the call's headers by lower-case name (`sforce-auto-assign`, `sforce-duplicate-rule-header`, ...).
    """

    user_id: str
    via: Literal["rest", "bulk", "tooling", "soap"] = "rest"
    all_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    text: bool = False


@dataclass(frozen=True, slots=True)
class RowError:
    """One reason why a row was refused."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    def collection_entry(self) -> dict[str, object]:
        """Return the form used by collections and tree."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def bulk_text(self) -> str:
        """Return the form used in sf__Error."""
        return f"{self.code}:{self.message}:{''.join(f'{name} ' for name in self.fields)}--"


@dataclass(frozen=True, slots=True)
class SaveResult:
    """The outcome of one row. `id` is empty when there is none; `created` is meaningful after insert and upsert."""

    id: str
    success: bool
    created: bool
    errors: tuple[RowError, ...] = ()

    @classmethod
    def refused(cls, error: RowError, *others: RowError, row_id: str = "") -> SaveResult:
        """Return the outcome of a row that failed."""
        return cls(row_id, success=False, created=False, errors=(error, *others))


class BadValue(Exception):
    """A row-level refusal on its way to becoming a RowError."""

    def __init__(
        self, code: str, message: str, fields: tuple[str, ...] = (), *, others: tuple[RowError, ...] = ()
    ) -> None:
        super().__init__(code)
        self.error = RowError(code, message, fields)
        self.errors = (self.error, *others)
