"""How the five objects arrive on the wire, as typed records, and what becomes of them. Runs in the mover; pure.

A record names exactly the fields of its query: whatever else an org sends is dropped while decoding.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

import msgspec

from isthmus.audit.model import LicenseRow, PslAssignRow, PslRow, UserRow
from isthmus.salesforce.audit_queries import PSL_PERMISSION_PREFIX


class LicenseRecord(msgspec.Struct, frozen=True, rename="pascal"):
    """UserLicense."""

    id: str
    name: str
    status: str
    total_licenses: int
    used_licenses: int
    master_label: str | None = None
    license_definition_key: str | None = None
    used_licenses_last_updated: str | None = None
    monthly_logins_entitlement: int | None = None
    monthly_logins_used: int | None = None

    def row(self) -> LicenseRow:
        """Return it as the audit keeps it."""
        return LicenseRow(
            id=self.id,
            name=self.name,
            label=self.master_label or self.name,
            key=self.license_definition_key or "",
            status=self.status,
            total=self.total_licenses,
            used=self.used_licenses,
            used_updated_at=instant_or_none(self.used_licenses_last_updated),
            logins_entitled=self.monthly_logins_entitlement,
            logins_used=self.monthly_logins_used,
        )


class PslRecord(msgspec.Struct, frozen=True, rename="pascal"):
    """PermissionSetLicense. DeveloperName is hidden from users without View DeveloperName."""

    id: str
    status: str
    total_licenses: int
    used_licenses: int
    developer_name: str | None = None
    permission_set_license_key: str | None = None
    master_label: str | None = None
    expiration_date: str | None = None
    is_available_for_integrations: bool | None = None

    def row(self, permissions: tuple[str, ...] = ()) -> PslRow:
        """Return it as the audit keeps it, with what it can grant."""
        key = self.permission_set_license_key or self.developer_name or ""
        return PslRow(
            id=self.id,
            name=self.developer_name or key,
            key=key,
            label=self.master_label or key,
            status=self.status,
            total=self.total_licenses,
            used=self.used_licenses,
            expires_on=date.fromisoformat(self.expiration_date) if self.expiration_date else None,
            for_integrations=bool(self.is_available_for_integrations),
            permissions=permissions,
        )


PslPermissionsRecord: TypeAlias = dict[str, msgspec.Raw]
"""PermissionSetLicense with all its standard fields; `permissions_of` keeps its id and what it can grant."""
_PERMISSION: Final = re.compile(rf"{PSL_PERMISSION_PREFIX}([A-Za-z0-9]{{1,80}})")


def permissions_of(record: PslPermissionsRecord) -> tuple[str, tuple[str, ...]]:
    """Return the pool's id and the names of the permissions that it can grant. Raises `ValueError` without an id."""
    pool = bytes(record.get("Id", b"")).decode("ascii").strip('"')
    if not pool.isalnum():
        message = "a pool without an id"
        raise ValueError(message)
    granted = sorted(
        found[1]
        for name, value in record.items()
        if (found := _PERMISSION.fullmatch(name)) is not None and bytes(value) == b"true"
    )
    return pool, tuple(granted)


class PslAssignRecord(msgspec.Struct, frozen=True, rename="pascal"):
    """PermissionSetLicenseAssign."""

    id: str
    assignee_id: str
    permission_set_license_id: str
    created_date: str

    def row(self) -> PslAssignRow:
        """Return it as the audit keeps it."""
        return PslAssignRow(self.id, self.assignee_id, self.permission_set_license_id, instant(self.created_date))


class UserLicenseRecord(msgspec.Struct, frozen=True, rename="pascal"):
    """The licence behind a profile."""

    license_definition_key: str | None = None


class ProfileRecord(msgspec.Struct, frozen=True, rename="pascal"):
    """The profile behind a user, reached by path only."""

    name: str | None = None
    user_license_id: str | None = None
    user_license: UserLicenseRecord | None = None


class UserRecord(msgspec.Struct, frozen=True, rename="pascal"):
    """User. `profile` is null for some system users."""

    id: str
    is_active: bool
    created_date: str
    username: str | None = None
    name: str | None = None
    email: str | None = None
    user_type: str | None = None
    profile: ProfileRecord | None = None
    department: str | None = None
    manager_id: str | None = None
    federation_identifier: str | None = None
    employee_number: str | None = None
    last_login_date: str | None = None
    number_of_failed_logins: int | None = None
    has_user_verified_email: bool | None = None
    contact_id: str | None = None
    marketing: bool = msgspec.field(name="UserPermissionsMarketingUser", default=False)
    offline: bool = msgspec.field(name="UserPermissionsOfflineUser", default=False)
    content: bool = msgspec.field(name="UserPermissionsSFContentUser", default=False)
    knowledge: bool = msgspec.field(name="UserPermissionsKnowledgeUser", default=False)
    flow: bool = msgspec.field(name="UserPermissionsInteractionUser", default=False)
    service: bool = msgspec.field(name="UserPermissionsSupportUser", default=False)

    def row(self) -> UserRow:
        """Return it as the audit keeps it."""
        profile = self.profile or ProfileRecord()
        license_ = profile.user_license or UserLicenseRecord()
        return UserRow(
            id=self.id,
            username=self.username or "",
            name=self.name or "",
            email=self.email or "",
            active=self.is_active,
            user_type=self.user_type or "",
            created_at=instant(self.created_date),
            license=profile.user_license_id,
            license_key=license_.license_definition_key or "",
            profile=profile.name or "",
            department=self.department or "",
            manager=self.manager_id,
            federation_id=self.federation_identifier,
            employee_number=self.employee_number,
            last_login_at=instant_or_none(self.last_login_date),
            failed_logins=self.number_of_failed_logins or 0,
            email_verified=self.has_user_verified_email,
            external=self.contact_id is not None,
            features=tuple(name for name, has in self._features() if has),
        )

    def _features(self) -> tuple[tuple[str, bool], ...]:
        return (
            ("Marketing User", self.marketing),
            ("Offline User", self.offline),
            ("Salesforce CRM Content User", self.content),
            ("Knowledge User", self.knowledge),
            ("Flow User", self.flow),
            ("Service Cloud User", self.service),
        )


class LoginGroupRecord(msgspec.Struct, frozen=True, gc=False):
    """One group of LoginHistory."""

    logins: int
    first_time: str = msgspec.field(name="firstTime")
    last_time: str = msgspec.field(name="lastTime")
    user_id: str | None = msgspec.field(name="UserId", default=None)
    login_type: str | None = msgspec.field(name="LoginType", default=None)
    status: str | None = msgspec.field(name="Status", default=None)
    application: str | None = msgspec.field(name="Application", default=None)
    subtype: str | None = msgspec.field(name="LoginSubType", default=None)


class OldestRecord(msgspec.Struct, frozen=True):
    """The oldest login in the history, null where there is none."""

    first_time: str | None = msgspec.field(name="firstTime", default=None)


class CountRecord(msgspec.Struct, frozen=True):
    """How many logins a window has."""

    logins: int


def instant(text: str) -> datetime:
    """Return a dateTime as Salesforce writes it (`2026-05-01T10:00:00.000+0000`), in UTC. Raises `ValueError`."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def instant_or_none(text: str | None) -> datetime | None:
    """Like `instant`, with null for null."""
    return instant(text) if text else None
