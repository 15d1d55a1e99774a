"""The supervisor: what dies is started again, what cannot live stops the product, and stopping ends every child."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from isthmus.cli.supervisor import RESTARTS_MAX, ProcessFailed, Supervisor
from isthmus.clock import SystemClock

CHILDREN = {
    "lives": "import os, pathlib, time\npathlib.Path(os.environ['OUT'], str(os.getpid())).touch()\ntime.sleep(60)",
    "dies": "raise SystemExit(3)",
    "deaf": "import os, pathlib, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "pathlib.Path(os.environ['OUT'], str(os.getpid())).touch()\ntime.sleep(60)",
    "waits": "import os, pathlib\npathlib.Path(os.environ['OUT'], str(os.getpid())).touch()\nraise SystemExit(75)",
    "refuses": "import sys\nprint('Key file missing. Put it back.', file=sys.stderr)\nraise SystemExit(2)",
}


@pytest.fixture
def world(tmp_path):
    package = tmp_path / "code"
    package.mkdir()
    for name, text in CHILDREN.items():
        (package / f"child_{name}.py").write_text(text)
    out = tmp_path / "out"
    out.mkdir()
    environ = {**os.environ, "PYTHONPATH": str(package), "OUT": str(out)}
    return environ, out, tmp_path


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_child_that_is_killed_is_started_again_and_all_end_on_stop(world):
    environ, out, logs = world
    stop = asyncio.Event()
    task = asyncio.create_task(Supervisor(["child_lives"], environ, logs, SystemClock()).run(stop))
    await until(lambda: len(list(out.iterdir())) == 1)
    first = int(next(out.iterdir()).name)
    os.kill(first, 9)
    await until(lambda: len(list(out.iterdir())) == 2)
    stop.set()
    await task
    for child in out.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(child.name), 0)


async def test_a_child_that_never_stays_up_stops_the_product_and_is_named(world):
    environ, _out, logs = world
    supervisor = Supervisor(["child_lives", "child_dies"], environ, logs, SystemClock())
    with pytest.raises(ProcessFailed, match="child_dies does not stay up"):
        await supervisor.run(asyncio.Event())


async def test_a_child_that_finds_the_database_away_is_tried_again_for_as_long_as_it_takes(world):
    environ, out, logs = world
    stop = asyncio.Event()
    task = asyncio.create_task(Supervisor(["child_waits"], environ, logs, SystemClock()).run(stop))
    await until(lambda: task.done() or len(list(out.iterdir())) > RESTARTS_MAX + 1)
    stop.set()
    await task


async def test_a_child_that_refuses_its_settings_is_not_tried_again(world):
    environ, _out, logs = world
    with pytest.raises(ProcessFailed, match=r"child_refuses refuses to start: Key file missing\. Put it back\."):
        await Supervisor(["child_refuses"], environ, logs, SystemClock()).run(asyncio.Event())
    assert Path(logs, "child_refuses.log").read_text().count("Key file missing") == 1
    assert sys.executable


SUPERVISOR = """
import asyncio, os, pathlib, sys
from isthmus.cli.supervisor import Supervisor
from isthmus.clock import SystemClock
logs = pathlib.Path(sys.argv[1])
asyncio.run(Supervisor(["child_deaf"], os.environ, logs, SystemClock(), stop_timeout_s=0.1).run(asyncio.Event()))
"""


async def test_a_child_that_hears_no_polite_signal_does_not_outlive_a_killed_supervisor(world):
    environ, out, logs = world
    supervisor = await asyncio.create_subprocess_exec(sys.executable, "-c", SUPERVISOR, str(logs), env=environ)
    await until(lambda: len(list(out.iterdir())) == 1)
    child = int(next(out.iterdir()).name)
    supervisor.kill()
    await supervisor.wait()
    await until(lambda: ended(child))


def ended(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
