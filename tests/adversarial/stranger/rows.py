"""What a stranger's org holds: two objects with a handful of fields, and how an upsert changes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

KEY = "SwiftPort_Source_Id__c"
FIELDS: dict[str, dict[str, str]] = {
    "Account": {
        "Id": "id",
        "Name": "string",
        "Site": "string",
        "AnnualRevenue": "currency",
        "Active__c": "boolean",
        "ParentId": "reference:Account:Parent",
        "SystemModstamp": "datetime",
        KEY: "key",
    },
    "Contact": {
        "Id": "id",
        "LastName": "string",
        "Birthdate": "date",
        "AccountId": "reference:Account:Account",
        "SystemModstamp": "datetime",
        KEY: "key",
    },
}
READ_ONLY = {"Id", "SystemModstamp"}
Row = dict[str, object]


class Rows:
    """The rows of an org. `refuse` says which rows of an upsert fail, by the code it returns."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in FIELDS}
        self.refuse: Callable[[Row], str | None] = lambda _row: None
        self._count = 0

    def add(self, name: str, **values: object) -> str:
        """Store a row; returns its id of 18 characters."""
        self._count += 1
        row_id = f"{ {'Account': '001', 'Contact': '003'}[name] }{self.prefix}{self._count:09d}AAA"
        row = dict.fromkeys(FIELDS[name]) | values | {"Id": row_id, "SystemModstamp": datetime.now(UTC)}
        self.tables[name][row_id] = row
        return row_id

    def forget(self) -> None:
        """Lose every row."""
        for table in self.tables.values():
            table.clear()

    def upsert(self, name: str, key: str, values: Row) -> tuple[bool, bool, str | None]:
        """Return (success, created, code)."""
        code = self.refuse(values)
        if code is not None:
            return False, False, code
        found = next((row for row in self.tables[name].values() if row.get(key) == values[key]), None)
        resolved: Row = {}
        for field_name, value in values.items():
            if "." in field_name or isinstance(value, dict):
                relation, parent_key = field_name.split(".") if "." in field_name else (field_name, "")
                column, parent = self._lookup(name, relation)
                wanted = value if not isinstance(value, dict) else next(iter(value.values()))
                parent_key = parent_key or next(iter(value))  # type: ignore[arg-type]
                match = next((row for row in self.tables[parent].values() if row.get(parent_key) == wanted), None)
                if match is None:
                    return False, False, "INVALID_FIELD"
                resolved[column] = match["Id"]
            elif field_name in FIELDS[name] and field_name not in READ_ONLY:
                resolved[field_name] = value
            else:
                return False, False, "INVALID_FIELD_FOR_INSERT_UPDATE"
        if found is not None:
            found |= resolved | {"SystemModstamp": datetime.now(UTC)}
            return True, False, None
        self.add(name, **resolved)
        return True, True, None

    def _lookup(self, name: str, relation: str) -> tuple[str, str]:
        for column, kind in FIELDS[name].items():
            parts = kind.split(":")
            if len(parts) == 3 and parts[2] == relation:
                return column, parts[1]
        raise KeyError(relation)
