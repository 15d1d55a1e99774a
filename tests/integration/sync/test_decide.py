"""Deciding held conflicts through the real queue, worker and mover, and that nothing of it is ever on a disk."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from isthmus.cli.deciding import Decided, decide_with
from isthmus.sync.definitions import SyncProblem
from isthmus.sync.flow.shown import Decision, Decisions, Outcome, ShownPair, Side
from isthmus.sync.inspecting.looks import answered, looked, request_look, require_waiting
from isthmus.sync.inspecting.relay import WorkerGone, waiting
from isthmus.sync.inspecting.viewing import Viewer
from isthmus.sync.model import RunState
from isthmus.values import SyncId
from tests.adversarial.test_nothing_persisted import flushed, sweep
from tests.integration.sync.test_two_way_worker import edit
from tests.support.copying import two_orgs
from tests.support.postgres import Cluster, FreshDatabase
from tests.support.working import Installation, installation, until

TEXT = """
version: 1
name: both ways
interval_s: 86400
direction: two-way
conflicts: hold
steps:
  - object: Account
    fields: {Name: Name, Phone: Phone, Site: Site}
"""


async def decided(product: Installation, sync: SyncId, word: Side | None) -> Decided:
    """What the command does, with `word` for every pair."""

    def said(pair: ShownPair) -> Decision | None:
        return None if word is None else Decision(pair.number, word)

    desk = SimpleNamespace(settings=product.settings, transaction=product.transaction)
    return await decide_with(cast("Any", desk), sync, said, rows_max=20, window=None)


async def conflict(product: Installation, canary: str) -> tuple[SyncId, list[str]]:
    """An active two-way sync with one pair that was changed on both sides; returns the ids of both records."""
    left, right = product.pair.source, product.pair.target
    (acme,) = left.add_rows("Account", [{"Name": "Acme", "Phone": "1"}])
    sync = await product.save(TEXT)
    await product.activate(sync)
    assert (await product.run(sync)).run.state is RunState.DONE
    copy = right.rows("Account")[0]["Id"]
    edit(left, acme, {"Phone": f"{canary}l"})
    edit(right, copy, {"Phone": f"{canary}r", "Site": f"{canary}r"})
    held = await product.run(sync)
    assert {(outcome.code, outcome.rows) for outcome in held.outcomes} == {("CONFLICT_HELD", 1)}
    return sync, [acme, copy]


async def test_a_conflict_is_seen_decided_and_settled_and_leaves_no_trace_on_a_disk(
    cluster: Cluster, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    canary = f"cnry{secrets.token_hex(8)}"
    since = tmp_path.stat().st_mtime
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as product, product.worker():
            sync, ids = await conflict(product, canary)
            undecided = await decided(product, sync, None)
            (shown,) = undecided.seen.pairs
            phone = next(field for field in shown.fields if field.source == "Phone")
            assert (phone.source_value, phone.target_value) == (f"{canary}l", f"{canary}r")
            assert (undecided.settled, undecided.run) == (False, None)
            done = await decided(product, sync, Side.SOURCE)
            assert [each.outcome for each in done.results] == [Outcome.WRITTEN]
            assert done.settled
            assert done.run is not None
            settled = await product.ended(done.run)
            assert (settled.run.state, settled.failed_windows_open) == (RunState.DONE, 0)
            assert {row["Phone"] for org in (pair.source, pair.target) for row in org.rows("Account")} == {f"{canary}l"}
            with pytest.raises(SyncProblem, match="No conflict is held"):
                await decided(product, sync, Side.SOURCE)
            assert [*product.settings.run_dir.glob("*.look"), *product.settings.run_dir.glob("*.answer")] == []
            assert not any(canary in line or ids[0] in line for line in product.journal_lines)
        await flushed(fresh_database)
        needles = [canary, *ids, *(each[:15] for each in ids)]
        assert sweep([cluster.settings.home, cluster.settings.secrets_dir, tmp_path], needles, since) == set()
        assert sweep([Path(tempfile.gettempdir())], [canary], since) == set()


async def over(product: Installation, sync: SyncId, look: UUID) -> bool:
    async with product.transaction() as tx:
        try:
            await require_waiting(tx, sync, look)
        except SyncProblem:
            return True
    return False


async def test_only_the_viewer_decides_one_at_a_time_and_not_after_the_end(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as product, product.worker():
            sync, _ = await conflict(product, "x")
            run_dir = product.settings.run_dir
            gone = uuid4()  # whoever asked to decide and went away holds nothing up
            async with product.transaction() as tx:
                await request_look(tx, sync, gone, viewer=Viewer().public, rows_max=5, decides=True)
            await until(lambda: over(product, sync, gone))

            left = uuid4()  # a command that ends in the middle of its question
            async with waiting(run_dir, left) as relay:
                async with product.transaction() as tx:
                    await request_look(tx, sync, left, viewer=Viewer().public, rows_max=5, decides=True)
                assert (await looked(relay)).waits
                relay.stay()
            await until(lambda: over(product, sync, left))

            look, viewer = uuid4(), Viewer()
            async with waiting(run_dir, look) as relay:
                async with product.transaction() as tx:
                    await request_look(tx, sync, look, viewer=viewer.public, rows_max=5, decides=True)
                result = await looked(relay)
            assert result.waits
            shown: Sequence[Any] = list(viewer.open(look, result.sealed))
            (socket,) = run_dir.glob("*.answer")
            assert socket.stat().st_mode & 0o777 == 0o600
            async with product.transaction() as tx:
                await require_waiting(tx, sync, look)
                with pytest.raises(SyncProblem, match="No look of this sync"):
                    await require_waiting(tx, sync, uuid4())
                with pytest.raises(SyncProblem, match="deciding conflicts already"):
                    await request_look(tx, sync, uuid4(), viewer=Viewer().public, rows_max=5, decides=True)

            stranger = Viewer()
            stranger._sender = viewer._sender  # a stranger who has read all that was relayed
            wish = Decisions((Decision(shown[0].number, Side.TARGET),))
            for forged in (b"", b"x" * 60, stranger.answer(look, wish)):
                assert await answered(run_dir, look, forged) == b""
            assert {row["Phone"] for row in pair.source.rows("Account")} == {"xl"}

            sealed = viewer.answer(look, wish)
            reply = viewer.open_reply(look, await answered(run_dir, look, sealed))
            assert [each.outcome for each in reply.results] == [Outcome.WRITTEN]
            assert await answered(run_dir, look, sealed) == b""  # the same once more says nothing
            viewer.open_reply(look, await answered(run_dir, look, viewer.answer(look, Decisions(done=True))))

            await until(lambda: over(product, sync, look))
            with pytest.raises(WorkerGone):
                await answered(run_dir, look, viewer.answer(look, Decisions()))
            assert {row["Phone"] for row in pair.source.rows("Account")} == {"xr"}
