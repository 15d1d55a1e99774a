"""Making the tracking field: a Text(18) external id, and the right to write it for the connected user's profile."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from isthmus.salesforce import routes
from isthmus.salesforce.errors import Refused, Unexpected
from isthmus.salesforce.query import Compare, FieldPath, pages, soql_select
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.values import ApiName

ID_LENGTH: Final = 18
"""Ids of 15 characters differ by case only; those of 18 do not. The field is case-sensitive all the same."""
SHOWS_WAITS_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
_USER: Final = ApiName("User")
_PERMISSION_SET: Final = ApiName("PermissionSet")
_OWNER_OF_FIELDS: Final = {"Task": "Activity", "Event": "Activity"}
"""Tasks and events share their custom fields, which belong to an object of their own."""
_EXISTS: Final = frozenset({StatusCode.DUPLICATE_DEVELOPER_NAME, StatusCode.DUPLICATE_VALUE})


class _Me(msgspec.Struct, frozen=True):
    user_id: str


async def create_text_external_id(session: Session, name: ApiName, field: ApiName, label: str) -> bool:
    """Create Text(18), external id, unique, case-sensitive; return False if the object has a field of that name.

    Whether an existing field fits is the plan's question, by its describe. Raises `Refused` if the user may not.
    """
    if (await session.describe(name)).field(field) is not None:
        return False
    metadata = {
        "label": label,
        "type": "Text",
        "length": ID_LENGTH,
        "externalId": True,
        "unique": True,
        "caseSensitive": True,
        "required": False,
        "description": "Id of the record in the source org. Written by Isthmus; do not edit.",
    }
    owner = _OWNER_OF_FIELDS.get(name, name)
    body = msgspec.json.encode({"FullName": f"{owner}.{field}", "Metadata": metadata})
    try:
        await session.call(routes.FIELD_CREATE, None, body)
    except Refused as refused:
        # It exists, but no field permission lets us see it.
        if refused.code in _EXISTS:
            return False
        raise
    return True


async def grant_field(session: Session, name: ApiName, field: ApiName) -> bool:
    """Give the connected user's profile read and edit on the field; return whether it did not have them yet.

    A field made through an API is invisible to everybody, its maker included, until somebody is granted it. Other
    profiles get nothing: the administrator decides who else sees the field. Raises `Refused` if the user may not.
    """
    body = msgspec.json.encode(
        {
            "ParentId": await _own_permission_set(session),
            "SobjectType": str(name),
            "Field": f"{name}.{field}",
            "PermissionsRead": True,
            "PermissionsEdit": True,
        }
    )
    try:
        await session.call(routes.PERMISSION_CREATE, None, body)
    except Refused as refused:
        if refused.code in _EXISTS:
            return False
        raise
    return True


async def await_field(session: Session, name: ApiName, field: ApiName) -> bool:
    """Describe until the field shows as an external id that may be written, some seconds at most; return whether."""
    for wait_s in (*SHOWS_WAITS_S, None):
        found = (await session.describe(name)).field(field)
        if found is not None and found.external_id and found.createable and found.updateable:
            return True
        if wait_s is not None:
            await asyncio.sleep(wait_s)
    return False


async def _own_permission_set(session: Session) -> str:
    """Return the permission set that stands for the connected user's profile."""
    me = (await session.json(routes.USERINFO, _Me)).user_id
    profile = await _only_value(session, _USER, "ProfileId", Compare(FieldPath.of("Id"), "=", me))
    return await _only_value(
        session,
        _PERMISSION_SET,
        "Id",
        Compare(FieldPath.of("ProfileId"), "=", profile),
        Compare(FieldPath.of("IsOwnedByProfile"), "=", value=True),
    )


async def _only_value(session: Session, name: ApiName, field: str, *where: Compare) -> str:
    async for batch in pages(session, soql_select(name, [FieldPath.of(field)], where)):
        for record in batch.reveal():
            value = record.get(field)
            if isinstance(value, str):
                return value
    raise Unexpected(routes.QUERY)
