"""Kill -9 of the worker in mid-run: another worker takes the run up and finishes it; nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from isthmus.sync import definitions
from isthmus.sync.model import RunState
from tests.support.copying import two_orgs
from tests.support.postgres import FreshDatabase
from tests.support.working import installation, until


async def test_a_run_whose_worker_is_killed_is_finished_by_another_worker(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    with two_orgs(tmp_path) as pair:
        pair.fill(60)
        slow = {"path": "/composite/sobjects", "method": "PATCH", "delay_s": 0.5}
        async with installation(fresh_database, pair) as product:
            first = await product.start_worker_process()
            second = None
            try:
                sync = await product.save()
                await product.activate(sync)
                pair.target.control("POST", "/faults", slow)
                async with product.transaction() as tx:
                    run = await definitions.request_run(tx, sync)

                async def writing() -> bool:
                    return (await product.detail(run)).run.rows_written > 0

                await until(writing)
                os.kill(first.pid, signal.SIGKILL)
                await first.wait()
                pair.target.control("DELETE", "/faults")
                assert (await product.detail(run)).run.state is RunState.RUNNING
                second = await product.start_worker_process()
                detail = await product.ended(run)
                assert detail.run.state is RunState.DONE
                pair.assert_equal()
            finally:
                for process in (first, second):
                    if process is not None and process.returncode is None:
                        process.terminate()
                        await process.wait()
