"""The job that asks orgs about their objects: describes, in messages small enough for the report socket."""

from __future__ import annotations

import msgspec

from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe, ObjectListed, RecordTypeDescribe
from isthmus.salesforce.world import MoverWorld

__all__ = ["FieldDescribe", "ObjectDescribe", "ObjectListed", "RecordTypeDescribe", "SchemaJob", "work"]


class SchemaJob(msgspec.Struct, frozen=True, tag_field="kind", tag="schema"):
    """Describe `objects[i]` in the org `endpoints[i]`; an empty list lists the org's objects instead."""

    endpoints: list[Endpoint]
    objects: list[list[str]]


class SchemaMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="object"):
    """Part `part` of `parts` of one object's describe (the fields are split so that each message stays small)."""

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


async def work(job: SchemaJob, world: MoverWorld) -> None:
    """Describe every wanted object and report it."""
    raise NotImplementedError
