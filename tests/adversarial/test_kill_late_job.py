"""An upload job outlives the mover that closed it: a later run must not be overtaken by its older values."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.support.copying import two_orgs
from tests.support.trouble import movers

ACCOUNTS = "version: 1\nname: accounts\nsteps: [{object: Account, fields: {Name: Name, Site: Site}}]\n"
REST_S = 5.0
LARGE = 1


async def test_a_job_left_behind_by_a_killed_mover_overwrites_nothing_newer(tmp_path: Path) -> None:
    with two_orgs(tmp_path) as pair:
        ids = pair.source.add_rows("Account", [{"Name": f"Company {n}", "Site": "old"} for n in range(2100)])
        assert (await pair.copy(ACCOUNTS, bulk_rows_min=LARGE)).exit_status == 0
        pair.target.control("POST", "/whims", {"job_delay_s": [REST_S, REST_S]})
        pair.target.control("DELETE", "/transcript")
        copying = asyncio.create_task(pair.copy(ACCOUNTS, bulk_rows_min=LARGE))

        def closed() -> bool:
            calls = pair.target.transcript()
            return any(call["method"] == "PATCH" and "/jobs/ingest/" in call["path"] for call in calls)

        while not copying.done() and not await asyncio.to_thread(closed):
            await asyncio.sleep(0.05)
        for mover in movers():
            os.kill(mover.pid, signal.SIGKILL)
        assert (await copying).exit_status == 2
        pair.target.control("POST", "/whims", {"job_delay_s": [0, 0]})
        for row in ids[:3]:
            pair.source.control("PATCH", f"/rows/Account/{row}", {"Site": "new"})
        assert (await pair.copy(ACCOUNTS, bulk_rows_min=LARGE)).exit_status == 0
        pair.assert_equal("Account")
        await asyncio.sleep(REST_S)
        pair.assert_equal("Account")
