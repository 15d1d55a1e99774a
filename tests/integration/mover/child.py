"""A mover whose job is a test's: the real entry, the real lockdown, another load. Run as `python -I child.py <socket flags>`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import msgspec

from isthmus.salesforce import routes
from isthmus.salesforce.bulk import export, ingest
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.query import FieldPath, soql_select
from isthmus.salesforce.world import MoverWorld
from isthmus.values import ApiName
from isthmus.worker.mover import Job, main


class TestJob(msgspec.Struct):
    name: str
    endpoints: list[Endpoint] = []


async def say_hello(world: MoverWorld) -> None:
    await world.report.send(b"hello")


async def fail(_world: MoverWorld) -> None:
    message = "a secret value"
    raise RuntimeError(message)


async def chatter(_world: MoverWorld) -> None:
    os.write(1, b"x" * 1000)
    os.write(2, b"y" * 234)


async def wait_for_ever(world: MoverWorld) -> None:
    await world.report.send(b"waiting")
    await asyncio.sleep(3600)


async def spin(world: MoverWorld) -> None:
    await world.report.send(b"spinning")
    while True:
        pass


async def versions(world: MoverWorld) -> None:
    for session in world.sessions:
        reply = await session.call(routes.VERSIONS)
        await world.report.send(reply.body[:100])


async def relay(world: MoverWorld) -> None:
    """Export Id and Name of every Account of the first org, upsert them into the second; no byte rests anywhere."""
    source, target = world.sessions
    name, key = ApiName.parse("Account"), ApiName.parse("SwiftPort_Source_Id__c")
    soql = soql_select(name, [FieldPath.of("Id"), FieldPath.of("Name"), FieldPath.of("Description")])

    async with aclosing(export(source, soql)) as pages:

        async def blocks() -> AsyncIterator[bytes]:
            async for page in pages:
                header_left = True
                async for chunk in page.chunks:
                    if not header_left:
                        yield chunk
                        continue
                    header, _, rest = chunk.partition(b"\n")
                    header_left = False
                    yield (header.replace(b"Id", str(key).encode(), 1) + b"\n" if page.number == 1 else b"") + rest

        outcome = await ingest(target, name, key, blocks())
    await world.report.send(b"%d %d" % (outcome.processed, outcome.failed))


JOBS: dict[str, Callable[[MoverWorld], Awaitable[None]]] = {
    "hello": say_hello,
    "fail": fail,
    "chatter": chatter,
    "wait": wait_for_ever,
    "spin": spin,
    "versions": versions,
    "relay": relay,
}


def load(packed: bytes) -> Job:
    job = msgspec.json.decode(packed, type=TestJob)
    return Job(job.endpoints, JOBS[job.name], lambda: None)


if __name__ == "__main__":
    sys.exit(main(load))
