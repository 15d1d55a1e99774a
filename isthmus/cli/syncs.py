"""What the sync commands ask of a running installation: find, save, check, wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from isthmus.cli.output import refuse
from isthmus.cli.running import with_installation
from isthmus.cli.specs import read_text, spec_of
from isthmus.db.database import TenantTx
from isthmus.orgs.connections import list_connections
from isthmus.orgs.model import ConnectionState
from isthmus.sync import definitions
from isthmus.sync.definitions import SchemaPending, SyncProblem
from isthmus.sync.looking import list_syncs, run_detail, sync_view
from isthmus.sync.model import Drawn, Rejected, SyncState
from isthmus.sync.spec import SpecRefused
from isthmus.sync.views import RunDetail, SyncView
from isthmus.values import Alias, ConnectionId, Purpose, RunId, SyncId, UserText
from isthmus.wiring.installation import Installation

Result = TypeVar("Result")
POLL_S: Final = 0.5
SCHEMA_WAIT_S: Final = 120.0
ACTIVATION_WAIT_S: Final = 180.0


def with_syncs(work: Callable[[Installation], Awaitable[Result]], tenant: str | None) -> Result:
    """Run `work` against the installation of this machine; what syncs refuse ends with exit status 2."""
    return told(lambda: with_installation(work, tenant))


def told(work: Callable[[], Result]) -> Result:
    """Return what `work` gives, or say what it refuses, and stop with exit status 2."""
    try:
        return work()
    except SpecRefused as refused:
        refuse(f"{refused.path}: {refused.what}.", refused.remedy)
    except SyncProblem as problem:
        what, _, remedy = str(problem).partition(". ")
        refuse(f"{what}.", remedy or "`isthmus sync list` shows the syncs and their state.")


async def change_named(
    installation: Installation, name: str, change: Callable[[TenantTx, SyncId], Awaitable[None]]
) -> SyncView:
    """Carry out `change` on the sync of that name, and return how it stands then."""
    sync = await named(installation, name)
    async with installation.transaction() as tx:
        await change(tx, sync)
        view = await sync_view(tx, sync)
    if view is None:
        refuse("The sync is gone.", "`isthmus sync list` shows those that exist.")
    return view


async def named(installation: Installation, name: str) -> SyncId:
    """Return the sync of that title, or of the file of that name."""
    title = _title(name)
    async with installation.transaction() as tx:
        found = [sync for sync in await list_syncs(tx) if sync.title == title or str(sync.id) == name]
    if len(found) != 1:
        what = "There is no sync" if not found else "There are several syncs"
        refuse(
            f"{what} named {title!r}.", "`isthmus sync list --json` shows them with their ids; an id works here, too."
        )
    return SyncId(found[0].id)


async def saved(installation: Installation, text: str, source: Alias, target: Alias) -> SyncId:
    """Save the definition: over the sync of the same name between the same orgs, or as a new one."""
    title = spec_of(text, "the file").name
    async with installation.transaction() as tx:
        pair = await pair_of(tx, source, target)
        for sync in await list_syncs(tx):
            if sync.title == title and (sync.source_connection, sync.target_connection) == pair:
                await definitions.change(tx, SyncId(sync.id), UserText(text))
                return SyncId(sync.id)
        return await definitions.save(tx, UserText(text), ConnectionId(pair[0]), ConnectionId(pair[1]))


async def pair_of(tx: TenantTx, source: Alias, target: Alias) -> tuple[UUID, UUID]:
    """Return the connections for syncs of both orgs, or stop with exit status 2."""
    return await _connection(tx, source), await _connection(tx, target)


async def _connection(tx: TenantTx, alias: Alias) -> UUID:
    for connection in await list_connections(tx):
        if connection.alias == alias and connection.purpose is Purpose.SYNC:
            if connection.state is not ConnectionState.ACTIVE:
                refuse(f"The grant of {alias} is not in force.", f"isthmus org connect {alias} --purpose sync")
            return connection.id
    refuse(f"No org {alias!r} is connected for syncs.", f"isthmus org connect {alias} --purpose sync")


async def checked(installation: Installation, sync: SyncId) -> Drawn | Rejected:
    """Return the plan; waits while the worker reads the objects of the orgs."""
    deadline = installation.clock.monotonic_s() + SCHEMA_WAIT_S
    async with installation.transaction() as tx:
        await definitions.read_missing(tx, sync)
    while True:
        async with installation.transaction() as tx:
            try:
                return await definitions.check(tx, sync)
            except SchemaPending:
                if installation.clock.monotonic_s() > deadline:
                    raise
        await asyncio.sleep(POLL_S)


async def _activation_settled(tx: TenantTx, sync: SyncId) -> bool:
    view = await sync_view(tx, sync)
    return view is None or view.state is not SyncState.ACTIVATING


async def ended(installation: Installation, run_id: RunId) -> RunDetail:
    """Wait for the end of a run, however long it takes; Ctrl-C leaves it running."""
    while True:
        ticket = await installation.keeper.ticket_for_operator(None)
        async with installation.database.tenant(ticket) as tx:
            detail = await run_detail(tx, run_id)
        if detail is not None and detail.run.ended_at is not None:
            return detail
        await asyncio.sleep(POLL_S)


async def _until(
    installation: Installation, reached: Callable[[TenantTx], Awaitable[bool]], wait_s: float, complaint: str
) -> None:
    deadline = installation.clock.monotonic_s() + wait_s
    while True:
        async with installation.transaction() as tx:
            if await reached(tx):
                return
        if installation.clock.monotonic_s() > deadline:
            refuse(complaint, f"The worker's log says more: {installation.settings.log_dir}/worker.log")
        await asyncio.sleep(POLL_S)


async def view_of(installation: Installation, sync: SyncId) -> SyncView | None:
    """Return how the sync stands now."""
    async with installation.transaction() as tx:
        return await sync_view(tx, sync)


async def activated(installation: Installation, sync: SyncId) -> None:
    """Wait until the worker has created the tracking fields and switched the sync on, or has given up."""
    await _until(
        installation, lambda tx: _activation_settled(tx, sync), ACTIVATION_WAIT_S, "The sync is still activating."
    )


def _title(name: str) -> str:
    file = Path(name)
    return spec_of(read_text(file), name).name if file.is_file() else name
