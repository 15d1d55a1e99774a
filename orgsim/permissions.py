"""Switching a user's system permissions, the way an administrator would: through sets and the profile.

What permissions then do is decided where the data is: see `orgsim/store/access.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orgsim.errors import ApiError
from orgsim.store.access import permission_sets
from orgsim.store.results import Row

if TYPE_CHECKING:
    from orgsim.org import Org

_ADMINISTRATOR: Final = "System Administrator"
_SET_NAME: Final = "orgsim_control"


def set_permission(org: Org, user_id: str, name: str, *, granted: bool) -> None:
    """Give a user a system permission such as `MonitorLoginHistory`, or take it away.

    Given: by a permission set of this user alone. Taken: from every set and from the profile that the user has, so
    other users with the same profile lose it too. ApiError 400 for administrators, who always have everything, and
    for names that the org does not know.
    """
    field = f"Permissions{name}"
    user = org.row("User", user_id)
    profile = None if user is None else org.row("Profile", str(user.get("ProfileId")))
    if profile is not None and profile.get("Name") == _ADMINISTRATOR:
        raise ApiError(400, "INVALID_OPERATION", "an administrator has every permission; use another user")
    if org.objects["permissionset"].field(field) is None and org.objects["profile"].field(field) is None:
        raise ApiError(400, "INVALID_FIELD", f"no system permission is called {name}")
    if granted:
        own = _own_set(org, user_id)
        org.store("PermissionSet", {**own, field: True})
    else:
        for set_id in permission_sets(org, user_id):
            row = org.row("PermissionSet", set_id)
            if row is not None:
                org.store("PermissionSet", {**row, field: False})
        if profile is not None:
            org.store("Profile", {**profile, field: False})
    org.metadata_changed()


def _own_set(org: Org, user_id: str) -> Row:
    """Return the permission set that this module gave the user, making and assigning it if needed."""
    for set_id in permission_sets(org, user_id):
        row = org.row("PermissionSet", set_id)
        if row is not None and str(row.get("Name")).startswith(_SET_NAME):
            return row
    [set_id] = org.load("PermissionSet", [{"Name": f"{_SET_NAME}_{user_id}", "Label": "Given by the control port"}])
    org.load("PermissionSetAssignment", [{"AssigneeId": user_id, "PermissionSetId": set_id}])
    row = org.row("PermissionSet", set_id)
    if row is None:  # pragma: no cover  # it was stored a moment ago
        raise LookupError
    return row
