"""The bundle's rows by file and line, which request fetched them, what their fields are in Salesforce. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec

from isthmus.audit.analysis import Basis
from isthmus.audit.explain.model import RowRef
from isthmus.audit.model import RequestLine
from isthmus.audit.snapshot import Snapshot

READING: Final = "reading.json"
LICENSES: Final = "licenses.jsonl"
PSLS: Final = "psls.jsonl"
ASSIGNS: Final = "psl_assigns.jsonl"
USERS: Final = "users.jsonl"
LOGINS: Final = "logins.jsonl"
PRICES: Final = "prices.json"
SETTINGS: Final = "settings.json"
HISTORY: Final = "history.json"
EXTRACTS: Final = (LICENSES, PSLS, ASSIGNS, USERS, LOGINS)

REQUESTS_OF: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        LICENSES: ("licenses", "licenses_metered"),
        PSLS: ("psls", "psl_permissions"),
        ASSIGNS: ("psl_assigns",),
        USERS: ("users",),
        LOGINS: ("logins", "logins_subtype", "logins_count", "logins_oldest"),
        READING: (),
        PRICES: (),
        SETTINGS: (),
        HISTORY: (),
    }
)
"""The requests that fill each file, by name; those on User have endings for the fields that the org shows."""
FIELDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        LICENSES: {
            "id": "Id",
            "name": "Name",
            "label": "MasterLabel",
            "key": "LicenseDefinitionKey",
            "status": "Status",
            "total": "TotalLicenses",
            "used": "UsedLicenses",
            "used_updated_at": "UsedLicensesLastUpdated",
            "logins_entitled": "MonthlyLoginsEntitlement",
            "logins_used": "MonthlyLoginsUsed",
        },
        PSLS: {
            "id": "Id",
            "name": "DeveloperName",
            "key": "PermissionSetLicenseKey",
            "label": "MasterLabel",
            "status": "Status",
            "total": "TotalLicenses",
            "used": "UsedLicenses",
            "expires_on": "ExpirationDate",
            "for_integrations": "IsAvailableForIntegrations",
        },
        ASSIGNS: {
            "id": "Id",
            "user": "AssigneeId",
            "psl": "PermissionSetLicenseId",
            "created_at": "CreatedDate",
        },
        USERS: {
            "id": "Id",
            "username": "Username",
            "name": "Name",
            "email": "Email",
            "active": "IsActive",
            "user_type": "UserType",
            "created_at": "CreatedDate",
            "license": "Profile.UserLicenseId",
            "license_key": "Profile.UserLicense.LicenseDefinitionKey",
            "profile": "Profile.Name",
            "department": "Department",
            "manager": "ManagerId",
            "federation_id": "FederationIdentifier",
            "employee_number": "EmployeeNumber",
            "last_login_at": "LastLoginDate",
            "failed_logins": "NumberOfFailedLogins",
            "email_verified": "HasUserVerifiedEmail",
            "external": "ContactId",
            "features": "UserPermissions...",
        },
        LOGINS: {
            "user": "UserId",
            "kind": "LoginType, LoginSubType, Application",
            "success": "Status",
            "count": "COUNT(Id)",
            "first": "MIN(LoginTime)",
            "last": "MAX(LoginTime)",
            "days": "LoginTime",
            "weeks": "LoginTime",
        },
    }
)
"""The field of the object behind each field of an extract. `kind` is our word for the three together."""


class Rows:
    """Finds rows of a bundle: a line is counted from 1, as every text tool counts."""

    def __init__(self, snapshot: Snapshot, basis: Basis) -> None:
        """Take what the bundle holds."""
        self._snapshot = snapshot
        self._basis = basis

    @cached_property
    def _lists(self) -> Mapping[str, Sequence[msgspec.Struct]]:
        s = self._snapshot
        return {LICENSES: s.licenses, PSLS: s.psls, ASSIGNS: s.assigns, USERS: s.users}

    @cached_property
    def _lines(self) -> Mapping[str, Mapping[str, int]]:
        return {
            file: {cast("Any", row).id: line for line, row in enumerate(rows, 1)} for file, rows in self._lists.items()
        }

    @cached_property
    def _login_lines(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for line, row in enumerate(self._snapshot.logins, 1):
            found[row.user].append(line)
        return found

    def of(self, file: str, ids: Iterable[str]) -> tuple[RowRef, ...]:
        """Return the rows with these ids, as far as the file has them."""
        lines = self._lines[file]
        return tuple(RowRef(file, lines[id_]) for id_ in ids if id_ in lines)

    def logins(self, users: Iterable[str]) -> tuple[RowRef, ...]:
        """Return the logins of these users."""
        return tuple(RowRef(LOGINS, line) for user in users for line in self._login_lines.get(user, ()))

    def all_of(self, file: str) -> tuple[RowRef, ...]:
        """Return all rows of a file."""
        rows = self._snapshot.logins if file == LOGINS else self._lists[file]
        return tuple(RowRef(file, line) for line in range(1, len(rows) + 1))

    def content(self, row: RowRef) -> Mapping[str, Any]:
        """Return a row as the bundle has it."""
        if row.file in self._lists:
            return msgspec.to_builtins(self._lists[row.file][row.line - 1])
        if row.file == LOGINS:
            found = next(islice(self._snapshot.logins, row.line - 1, None))
            return msgspec.to_builtins(found.row())
        if row.file == READING:
            return msgspec.to_builtins(self._snapshot.reading)
        return msgspec.to_builtins(self._basis.history if row.file == HISTORY else self._basis.prices)

    def requests_for(self, files: Iterable[str], names: Iterable[str]) -> tuple[RequestLine, ...]:
        """Return the requests that were sent for these files, and those of these names."""
        wanted = {name for file in files for name in REQUESTS_OF[file]} | set(names)
        return tuple(
            line
            for line in self._snapshot.reading.requests
            if line.name in wanted or ("users" in wanted and line.name.startswith("users_"))
        )
