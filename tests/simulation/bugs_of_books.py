"""Planted bugs in how a worker keeps its books: its statements pass through the hands of a bug; see `bugs.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from isthmus.db.storable import Storable
from tests.simulation.database import SimDatabase, SimTransaction
from tests.simulation.loop import PROCESS, Process
from tests.simulation.world import Plant

Row = TypeVar("Row")


class _Database:
    """A database whose statements pass through the hands of a bug."""

    def __init__(self, inner: SimDatabase, make: Callable[[SimTransaction], Any]) -> None:
        self._inner = inner
        self._make = make

    @asynccontextmanager
    async def tenant(self, ticket: Any) -> AsyncGenerator[Any]:
        async with self._inner.tenant(ticket) as tx:
            yield self._make(tx)


class _Transaction:
    """Passes everything on; bugs override."""

    def __init__(self, inner: SimTransaction) -> None:
        self._inner = inner

    async def execute(self, query: str, **params: Storable) -> None:
        await self._inner.execute(query, **params)

    async def fetch_all(self, query: str, *, row: type[Row], **params: Storable) -> list[Row]:
        return await self._inner.fetch_all(query, row=row, **params)

    async def fetch_one(self, query: str, *, row: type[Row], **params: Storable) -> Row | None:
        rows = await self.fetch_all(query, row=row, **params)
        return rows[0] if rows else None


class _TransactionPlant(Plant):
    """A bug in how the worker keeps its books."""

    transaction: type[_Transaction] = _Transaction

    def database(self, database: SimDatabase) -> Any:
        return _Database(database, self.transaction)


class _Early(_Transaction):
    async def execute(self, query: str, **params: Storable) -> None:
        await self._inner.execute(query, **params)
        if "insert into sync.run_step" in query and not params["settled"]:
            # Where the window is to end, written while its rows are still on their way.
            await self._inner.execute(
                """
                insert into sync.checkpoint (sync_id, plan_version, step, watermark)
                select sync_id, plan_version, %(step)s, now() from sync.run where id = %(run)s
                on conflict (tenant_id, sync_id, plan_version, step) do update set watermark = excluded.watermark
                """,
                run=params["run"],
                step=params["step"],
            )


class AdvancesTooEarly(_TransactionPlant):
    """The watermark is written with the first rows of a window instead of with its end."""

    transaction = _Early


class _Unfenced(_Transaction):
    def __init__(self, inner: SimTransaction, fences: dict[Process | None, int]) -> None:
        super().__init__(inner)
        self._fences = fences

    async def fetch_all(self, query: str, *, row: type[Row], **params: Storable) -> list[Row]:
        if "for update" in query:
            own: dict[str, Any] = {"number": self._fences[PROCESS.get()]}
            return [row(**own)]
        found = await self._inner.fetch_all(query, row=row, **params)
        if found and "fence = r.fence + 1" in query:
            claimed: Any = found[0]
            self._fences[PROCESS.get()] = claimed.fence
        return found


class IgnoresTheFence(Plant):
    """An older attempt at a run writes on after a newer one has begun."""

    def __init__(self) -> None:
        self._fences: dict[Process | None, int] = {}

    def database(self, database: SimDatabase) -> Any:
        return _Database(database, lambda transaction: _Unfenced(transaction, self._fences))


class _Forgetful(_Transaction):
    async def fetch_all(self, query: str, *, row: type[Row], **params: Storable) -> list[Row]:
        if "insert into sync.failed_window" in query:
            return []
        return await self._inner.fetch_all(query, row=row, **params)


class ForgetsFailedWindows(_TransactionPlant):
    """Rows failed, and nobody remembers where."""

    transaction = _Forgetful
