"""The job that asks orgs about their objects: describes, in messages small enough for the report socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.errors import Refused
from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe, ObjectListed, RecordTypeDescribe
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.world import MESSAGE_BYTES_MAX, MoverWorld
from isthmus.values import ApiName

__all__ = [
    "CallsMessage",
    "FieldDescribe",
    "MissingMessage",
    "ObjectDescribe",
    "ObjectListed",
    "ObjectsMessage",
    "RecordTypeDescribe",
    "SchemaJob",
    "SchemaMessage",
    "joined",
    "work",
]

OBJECTS_PER_MESSAGE: Final = 100


class SchemaJob(msgspec.Struct, frozen=True, tag_field="kind", tag="schema"):
    """Describe `objects[i]` in the org `endpoints[i]`; `listing`, or an empty list, lists the org's objects."""

    endpoints: list[Endpoint]
    objects: list[list[str]]
    listing: bool = False


class SchemaMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="object"):
    """Part `part` of `parts` of one object's describe: the fields are dealt out so that each message stays small."""

    endpoint: int
    describe: ObjectDescribe
    part: int = 0
    parts: int = 1


class ObjectsMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="objects"):
    """Some lines of the list of objects."""

    endpoint: int
    objects: tuple[ObjectListed, ...]


class MissingMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="missing"):
    """The connected user does not see this object."""

    endpoint: int
    object: str


class CallsMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="calls"):
    """The last message: how many API calls each endpoint was asked."""

    calls: list[int]


async def work(job: SchemaJob, world: MoverWorld) -> None:
    """Describe every wanted object and report it, then the calls. Raises `SalesforceError`, `LeaseLost`."""
    try:
        await _describe_all(job, world)
    finally:
        calls = [session.calls for session in world.sessions]
        await world.report.send(msgspec.json.encode(CallsMessage(calls)))


async def _describe_all(job: SchemaJob, world: MoverWorld) -> None:
    for endpoint, (session, names) in enumerate(zip(world.sessions, job.objects, strict=True)):
        if job.listing or not names:
            listed = await session.describe_global()
            for start in range(0, len(listed), OBJECTS_PER_MESSAGE):
                page = listed[start : start + OBJECTS_PER_MESSAGE]
                await world.report.send(msgspec.json.encode(ObjectsMessage(endpoint, page)))
        for name in names:
            try:
                describe = await session.describe(ApiName.parse(name))
            except Refused as refused:
                if refused.code != StatusCode.NOT_FOUND:
                    raise
                await world.report.send(msgspec.json.encode(MissingMessage(endpoint, name)))
                continue
            for message in messages(endpoint, describe):
                await world.report.send(message)


def messages(endpoint: int, describe: ObjectDescribe) -> Iterator[bytes]:
    """Yield one describe as messages of at most `MESSAGE_BYTES_MAX`.

    A field whose picklist alone is longer than a message is sent with as many of its values as fit, and not restricted:
    a plan then treats its values as unknown instead of wrong.
    """
    head = msgspec.structs.replace(describe, fields=())
    room = MESSAGE_BYTES_MAX - len(msgspec.json.encode(SchemaMessage(endpoint, head, 1_000_000, 1_000_000)))
    groups: list[list[FieldDescribe]] = [[]]
    used = 0
    for each in describe.fields:
        field = _fitted(each, room)
        size = len(msgspec.json.encode(field)) + 1
        if used + size > room:
            groups.append([])
            used = 0
        groups[-1].append(field)
        used += size
    for part, fields in enumerate(groups):
        piece = msgspec.structs.replace(head, fields=tuple(fields))
        yield msgspec.json.encode(SchemaMessage(endpoint, piece, part, len(groups)))


def joined(parts: list[SchemaMessage]) -> ObjectDescribe | None:
    """Return the describe that `parts` (of one object, in any order) make up, or None while some are missing."""
    if not parts or len(parts) != parts[0].parts:
        return None
    ordered = sorted(parts, key=lambda message: message.part)
    fields = tuple(field for message in ordered for field in message.describe.fields)
    return msgspec.structs.replace(ordered[0].describe, fields=fields)


def _fitted(field: FieldDescribe, room: int) -> FieldDescribe:
    while len(msgspec.json.encode(field)) + 1 > room:
        kept = field.picklist_values[: len(field.picklist_values) // 2]
        field = msgspec.structs.replace(field, picklist_values=kept, restricted_picklist=False)
    return field
