"""The part of the control port that does people and automation do: rules, open transactions, merges."""

from __future__ import annotations

import msgspec
from aiohttp import web

from orgsim.emulator import Emulator
from orgsim.plain_json import decoded, json_answer
from orgsim.rowdesk import RowDesk
from orgsim.store.merging import Conversion, convert_lead, merge_rows
from orgsim.store.results import SaveResult, WriteContext
from orgsim.store.rules import Rule
from orgsim.transactions import Transaction
from orgsim.wire import ApiError


class Workbench:
    """Handlers of `/rules`, `/transactions` and the actions on single rows."""

    def __init__(self, emulator: Emulator, rows: RowDesk) -> None:
        self._emulator = emulator
        self._rows = rows

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/rules", self.rules),
            web.post("/rules", self.add_rules),
            web.delete("/rules", self.clear_rules),
            web.delete("/rows/{object}", self.clear_rows),
            web.get("/rewrites", self.rewrites),
            web.delete("/rewrites", self.forget_rewrites),
            web.post("/rows/{object}/{id}/undelete", self.undelete),
            web.post("/rows/{object}/{id}/merge", self.merge),
            web.post("/rows/{object}/{id}/convert", self.convert),
            web.post("/transactions", self.begin),
            web.post("/transactions/{transaction}/rows/{object}", self.add_rows),
            web.patch("/transactions/{transaction}/rows/{object}/{id}", self.change_row),
            web.delete("/transactions/{transaction}/rows/{object}/{id}", self.drop_row),
            web.post("/transactions/{transaction}/{end}", self.end),
        ]

    async def rules(self, request: web.Request) -> web.Response:
        """Show the rules."""
        del request
        return json_answer(self._emulator.org.rules.rules)

    async def add_rules(self, request: web.Request) -> web.Response:
        """Add one rule or several."""
        body = await request.read()
        is_many = body.lstrip().startswith(b"[")
        rules = decoded(body, list[Rule]) if is_many else decoded(b"[" + body + b"]", list[Rule])
        self._emulator.org.rules.add(self._emulator.org, rules)
        return await self.rules(request)

    async def clear_rules(self, request: web.Request) -> web.Response:
        """Forget all rules."""
        self._emulator.org.rules.clear()
        return await self.rules(request)

    async def clear_rows(self, request: web.Request) -> web.Response:
        """Let every row of an object vanish."""
        return json_answer({"deleted": self._rows.clear(request.match_info["object"])})

    async def rewrites(self, request: web.Request) -> web.Response:
        """Show what updates have overwritten."""
        del request
        return json_answer(self._emulator.org.rewrites.as_json())

    async def forget_rewrites(self, request: web.Request) -> web.Response:
        """Begin to count anew."""
        self._emulator.org.rewrites.forget()
        return await self.rewrites(request)

    async def undelete(self, request: web.Request) -> web.Response:
        """Take a row out of the recycle bin."""
        info = request.match_info
        _refuse_failed(self._emulator.org.undelete(info["object"], info["id"], self._context()))
        return json_answer({"undeleted": True})

    async def merge(self, request: web.Request) -> web.Response:
        """Merge rows into one."""
        wanted = decoded(await request.read(), _MergeOrder)
        info = request.match_info
        merged = merge_rows(
            self._emulator.org, info["object"], info["id"], wanted.losers, values=wanted.values, ctx=self._context()
        )
        return json_answer({"id": merged.id, "merged": merged.merged, "moved": merged.moved})

    async def convert(self, request: web.Request) -> web.Response:
        """Convert a lead."""
        if request.match_info["object"].lower() != "lead":
            raise ApiError(400, "INVALID_OPERATION", "only leads can be converted")
        wanted = decoded(await request.read(), Conversion)
        converted = convert_lead(self._emulator.org, request.match_info["id"], wanted, self._context())
        return json_answer(msgspec.structs.asdict(converted))

    # Transactions

    async def begin(self, request: web.Request) -> web.Response:
        """Open a transaction."""
        del request
        org = self._emulator.org
        transaction = Transaction(org)
        name = f"t{len(org.transactions) + 1}"
        org.transactions[name] = transaction
        return json_answer({"id": name})

    async def add_rows(self, request: web.Request) -> web.Response:
        """Write rows inside a transaction."""
        rows = decoded(await request.read(), list[dict[str, object]])
        definition, complete = self._rows.prepared(request.match_info["object"], rows)
        return json_answer({"ids": self._transaction(request).insert(definition.name, complete)})

    async def change_row(self, request: web.Request) -> web.Response:
        """Change a row inside a transaction."""
        values = decoded(await request.read(), dict[str, object])
        name, row_id = request.match_info["object"], request.match_info["id"]
        stamp = self._emulator.org.clock.stamp()
        self._rows.check(name)
        self._transaction(request).later(lambda: self._rows.change(name, row_id, values, stamp=stamp))
        return json_answer({})

    async def drop_row(self, request: web.Request) -> web.Response:
        """Delete a row inside a transaction."""
        name, row_id = request.match_info["object"], request.match_info["id"]
        self._rows.check(name)
        self._transaction(request).later(lambda: self._rows.drop(name, row_id, hard=False))
        return json_answer({})

    async def end(self, request: web.Request) -> web.Response:
        """Commit or roll back."""
        transaction = self._transaction(request)
        match request.match_info["end"]:
            case "commit":
                return json_answer({"writes": transaction.commit()})
            case "rollback":
                transaction.roll_back()
                return json_answer({"writes": 0})
            case _:
                raise ApiError(404, "NOT_FOUND", "a transaction ends with commit or rollback")

    def _transaction(self, request: web.Request) -> Transaction:
        found = self._emulator.org.transactions.get(request.match_info["transaction"])
        if found is None or not found.is_open:
            raise ApiError(404, "NOT_FOUND", "no such open transaction")
        return found

    def _context(self) -> WriteContext:
        return WriteContext(self._emulator.seeded.admin_id)


def _refuse_failed(result: SaveResult) -> None:
    if not result.success:
        raise ApiError(400, result.errors[0].code, result.errors[0].message)


class _MergeOrder(msgspec.Struct, forbid_unknown_fields=True):
    losers: list[str]
    values: dict[str, object] = {}
