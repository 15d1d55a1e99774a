"""Saved syncs as portal and cli handle them: save, check, activate, pause, run, look at. Runs as role isthmus_portal.

| call | does |
|---|---|
| `save` | parse the YAML form and keep it; a new sync is inactive |
| `check` | draw the plan from the definition and the cached describes of both orgs; changes nothing |
| `activate` | freeze the plan, ask the worker to create missing tracking fields, then switch on |
| `pause` / `resume` | stop and start the schedule |
| `request_run` | queue one run now; with `retry=True` only the windows with failed rows |
| `list_syncs` `runs` `run_detail` `sync_view` `export` | look |
"""

from __future__ import annotations

from isthmus.db.database import TenantTx
from isthmus.sync.model import Drawn, Rejected
from isthmus.sync.views import RunDetail, RunView, SyncView
from isthmus.values import ConnectionId, RunId, SyncId, UserText


class SyncProblem(Exception):
    """A request about a sync that cannot be met; the message says what and the remedy."""


async def save(tx: TenantTx, text: UserText, source: ConnectionId, target: ConnectionId) -> SyncId: ...


async def check(tx: TenantTx, sync: SyncId) -> Drawn | Rejected: ...


async def activate(tx: TenantTx, sync: SyncId) -> Drawn | Rejected: ...


async def pause(tx: TenantTx, sync: SyncId) -> None: ...


async def resume(tx: TenantTx, sync: SyncId) -> None: ...


async def request_run(tx: TenantTx, sync: SyncId, *, retry: bool = False) -> RunId: ...


async def list_syncs(tx: TenantTx) -> list[SyncView]: ...


async def sync_view(tx: TenantTx, sync: SyncId) -> SyncView | None: ...


async def runs(tx: TenantTx, sync: SyncId, *, rows_max: int = 50) -> list[RunView]: ...


async def run_detail(tx: TenantTx, run: RunId) -> RunDetail | None: ...


async def export(tx: TenantTx, sync: SyncId) -> str: ...
