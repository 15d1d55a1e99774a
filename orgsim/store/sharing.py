"""Which rows and objects a user may see and change, where an administrator has restricted them.

`settings.sharing` gives organization-wide defaults by object name: "Private" (owner and those above in the role
hierarchy), "Read" (everybody reads, they change) or "ControlledByParent" (as the Account of the row). Objects that are
not named are public. Members of a queue see its rows. There are no sharing rules, teams or territories. View All Data
and Modify All Data lift all of this. `settings.object_permissions_enforced` makes rows of ObjectPermissions count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from orgsim.ids import ID_SHORT
from orgsim.schema.model import ObjectDef
from orgsim.store.access import matching_rows, permission_sets
from orgsim.store.results import BadValue, Row, WriteContext

if TYPE_CHECKING:
    from orgsim.org import Org

ALL_RIGHTS: Final = frozenset({"Read", "Create", "Edit", "Delete"})
_PRIVATE: Final = "private"
_READ: Final = "read"
_PARENT: Final = "controlledbyparent"


def sharing_model(org: Org, object_name: str) -> str:
    """Return the organization-wide default of an object in lower case; "" where it is public."""
    for name, model in org.settings.sharing.items():
        if name.lower() == object_name.lower():
            return model.lower()
    return ""


def owners_seen(org: Org, user_id: str) -> frozenset[str]:
    """Return the users and queues whose rows are shared with a user: own, below in the role hierarchy, own queues."""
    user = org.row("User", user_id)
    roles = org.tables.get("userrole")
    queues = {str(row.get("GroupId")) for row in matching_rows(org, "GroupMember", "UserOrGroupId", user_id)}
    if user is None or roles is None or not isinstance(user.get("UserRoleId"), str):
        return frozenset({user_id, *queues})
    below: set[str] = set()
    frontier: set[str] = {str(user["UserRoleId"])}
    while frontier:
        frontier = {str(row["Id"]) for row in roles.scan() if row.get("ParentRoleId") in frontier} - below
        below |= frontier
    return frozenset(
        {user_id, *queues, *(str(row["Id"]) for row in org.users.scan() if row.get("UserRoleId") in below)}
    )


def read_test(org: Org, definition: ObjectDef, user_id: str) -> Callable[[Row], bool] | None:
    """Return a test for the rows that a user may read; None if that is all of them."""
    model = sharing_model(org, definition.name)
    if model not in {_PRIVATE, _PARENT} or _sees_all(org, user_id):
        return None
    owners = owners_seen(org, user_id)
    if model == _PARENT:
        return lambda row: _parent_shared(org, row, user_id, owners)
    return lambda row: row.get("OwnerId") in owners


def _sees_all(org: Org, user_id: str) -> bool:
    held = org.privileges(user_id)
    return held.view_all_data or held.modify_all_data or org.row("User", user_id) is None


def _parent_shared(org: Org, row: Row, user_id: str, owners: frozenset[str]) -> bool:
    parent_id = row.get("AccountId")
    parent = org.row("Account", parent_id) if isinstance(parent_id, str) else None
    if parent is None:
        return row.get("OwnerId") in owners
    test = read_test(org, org.objects["account"], user_id)
    return test is None or test(parent)


def check_change(org: Org, definition: ObjectDef, row: Row, ctx: WriteContext) -> None:
    """Refuse to change a row that the user may not edit."""
    model = sharing_model(org, definition.name)
    if not model or org.privileges(ctx.user_id).modify_all_data:
        return
    owners = owners_seen(org, ctx.user_id)
    allowed = _parent_shared(org, row, ctx.user_id, owners) if model == _PARENT else row.get("OwnerId") in owners
    if not allowed:
        raise BadValue(code=org.settings.hidden_row_code, message="insufficient access rights on object id")


def check_parents(org: Org, definition: ObjectDef, changes: Row, ctx: WriteContext) -> None:
    """Refuse references to rows that the user may not read."""
    if not org.settings.sharing:
        return
    for name, value in changes.items():
        field = definition.field(name)
        target = org.object_of_id(value) if isinstance(value, str) else None
        if field is None or field.type != "reference" or target is None or not isinstance(value, str):
            continue
        test = read_test(org, target, ctx.user_id)
        parent = org.row(target.name, value)
        if test is not None and parent is not None and not test(parent):
            message = f"insufficient access rights on cross-reference id: {value[:ID_SHORT]}"
            raise BadValue(code="INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", message=message)


def object_rights(org: Org, object_name: str, user_id: str) -> frozenset[str]:
    """Return what a user may do with an object's rows: some of Read, Create, Edit, Delete."""
    definition = org.objects.get(object_name.lower())
    free = not org.settings.object_permissions_enforced or definition is None or definition.setup
    if free or definition is None or definition.key_prefix in {None, "005"} or org.privileges(user_id).modify_all_data:
        return ALL_RIGHTS
    held: set[str] = set()
    for set_id in permission_sets(org, user_id):
        for row in matching_rows(org, "ObjectPermissions", "ParentId", set_id):
            if str(row.get("SobjectType")).lower() == definition.name.lower():
                held |= {right for right in ALL_RIGHTS if row.get(f"Permissions{right}")}
    return frozenset(held | ({"Read"} if org.privileges(user_id).view_all_data else set()))


def check_right(org: Org, definition: ObjectDef, right: str, ctx: WriteContext) -> None:
    """Refuse a write that the user's object permissions do not allow."""
    if right not in org.rights(definition.name, ctx.user_id):
        done = {"Create": "inserted", "Edit": "updated", "Delete": "deleted"}[right]
        message = f"entity type cannot be {done}: {definition.label or definition.name}"
        raise BadValue(code=org.settings.no_object_permission_code, message=message)
