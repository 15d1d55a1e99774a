"""A mover that is killed before its first word is no mistake of ours: the run says so and the next one goes on."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.support.copying import two_orgs
from tests.support.trouble import movers

ACCOUNTS = "version: 1\nname: accounts\nsteps: [{object: Account, fields: {Name: Name}}]\n"


async def test_a_mover_killed_before_its_first_word_is_said_to_have_been_ended(tmp_path: Path) -> None:
    with two_orgs(tmp_path) as pair:
        pair.source.add_rows("Account", [{"Name": "One"}])
        assert (await pair.copy(ACCOUNTS)).exit_status == 0
        copying = asyncio.create_task(pair.copy(ACCOUNTS))
        describing: set[int] = set()
        while not copying.done():
            seen = {process.pid for process in movers()}
            if not describing:
                describing = seen
            for pid in seen - describing:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.01)
        result = await copying
        assert (result.exit_status, (result.message or "").split(".")[0]) == (
            2,
            "Stopped: the process that moves the records was ended",
        )
        assert (await pair.copy(ACCOUNTS)).exit_status == 0
