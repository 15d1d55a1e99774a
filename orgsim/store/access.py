"""Who may see and write what: field-level security, setup objects, and rows that belong to others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orgsim.schema.model import FieldDef
from orgsim.store.results import Row

if TYPE_CHECKING:
    from orgsim.org import Org

NEEDS_VIEW_SETUP: Final = frozenset({"userlicense", "permissionsetlicense", "permissionsetlicenseassign"})
ACCESS_OBJECTS: Final = frozenset(
    {"fieldpermissions", "objectpermissions", "permissionset", "permissionsetassignment", "profile", "user"}
)
"""Writes to these change what somebody may see, so cached answers about access are dropped."""

_ADMINISTRATOR: Final = "System Administrator"


@dataclass(frozen=True, slots=True)
class Privileges:
    """System permissions that the emulator looks at; read from `Permissions…` fields of Profile and PermissionSet."""

    view_setup: bool
    manage_users: bool
    modify_all_data: bool
    customize_application: bool
    view_all_data: bool


EVERYTHING: Final = Privileges(
    view_setup=True, manage_users=True, modify_all_data=True, customize_application=True, view_all_data=True
)


@dataclass(frozen=True, slots=True)
class Access:
    """What one user may do with one object's fields, by lower-case name."""

    readable: Mapping[str, FieldDef]
    editable: frozenset[str]


def privileges(org: Org, user_id: str) -> Privileges:
    """Return a user's system permissions; unknown users (set-up code) and administrators have all of them."""
    user = org.row("User", user_id)
    profile = None if user is None else org.row("Profile", str(user.get("ProfileId")))
    if profile is None or profile.get("Name") == _ADMINISTRATOR:
        return EVERYTHING
    holders = [profile, *(row for set_id in permission_sets(org, user_id) if (row := org.row("PermissionSet", set_id)))]

    def has(name: str) -> bool:
        return any(bool(holder.get(f"Permissions{name}")) for holder in holders)

    return Privileges(
        view_setup=has("ViewSetup"),
        manage_users=has("ManageUsers") or has("MonitorLoginHistory"),
        modify_all_data=has("ModifyAllData"),
        customize_application=has("CustomizeApplication"),
        view_all_data=has("ViewAllData"),
    )


def permission_sets(org: Org, user_id: str) -> list[str]:
    """Return the ids of the user's permission sets: the hidden one of the profile, then the assigned ones."""
    user = org.row("User", user_id)
    if user is None:
        return []
    ids = [
        str(row["Id"])
        for row in matching_rows(org, "PermissionSet", "ProfileId", user.get("ProfileId"))
        if row.get("IsOwnedByProfile")
    ]
    assigned = matching_rows(org, "PermissionSetAssignment", "AssigneeId", user["Id"])
    ids += [str(row["PermissionSetId"]) for row in assigned]
    return list(dict.fromkeys(ids))


def matching_rows(org: Org, object_name: str, field: str, value: object) -> Iterable[Row]:
    """Return the live rows whose field has this value."""
    table = org.tables.get(object_name.lower())
    entry = None if table is None else table.definition.field(field)
    if table is None or entry is None or not isinstance(value, str):
        return []
    rows = table.equal(entry, value)
    rows = table.scan() if rows is None else rows
    return [row for row in rows if row.get(field) == value and not row.get("IsDeleted")]


def field_access(org: Org, object_name: str, user_id: str) -> Access:
    """Return which fields of an object the user may read and write."""
    definition = org.objects[object_name.lower()]
    hidden = {field for owner, field in org.guarded_fields if owner == definition.name.lower()}
    granted = _grants(org, definition.name, user_id) if hidden and org.row("User", user_id) is not None else None
    readable: dict[str, FieldDef] = {}
    editable: set[str] = set()
    for field in definition.fields:
        name = field.name.lower()
        read, edit = True, True
        if granted is not None and name in hidden and field.permissionable:
            read, edit = granted.get(name, (False, False))
        if read:
            readable[name] = field
        if edit:
            editable.add(name)
    return Access(readable, frozenset(editable))


def _grants(org: Org, object_name: str, user_id: str) -> dict[str, tuple[bool, bool]]:
    granted: dict[str, tuple[bool, bool]] = {}
    prefix = f"{object_name}.".lower()
    for set_id in permission_sets(org, user_id):
        for row in matching_rows(org, "FieldPermissions", "ParentId", set_id):
            full = str(row.get("Field", "")).lower()
            if not full.startswith(prefix):
                continue
            read, edit = granted.get(full[len(prefix) :], (False, False))
            granted[full[len(prefix) :]] = (
                read or bool(row.get("PermissionsRead")),
                edit or bool(row.get("PermissionsEdit")),
            )
    return granted


def object_visible(org: Org, object_name: str, user_id: str) -> bool:
    """Say whether the object exists for this user."""
    name = object_name.lower()
    if name not in org.objects:
        return False
    hidden = name in NEEDS_VIEW_SETUP and org.settings.licences_need_view_setup
    return not hidden or org.privileges(user_id).view_setup


def sees_own_rows_only(org: Org, object_name: str, user_id: str) -> bool:
    """Say whether the user is limited to rows about themselves (LoginHistory without Manage Users)."""
    return object_name.lower() == "loginhistory" and not org.privileges(user_id).manage_users
