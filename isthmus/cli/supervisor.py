"""Starts the processes of the product and keeps them running: one child each, restarted when it dies.

A child that dies again and again is not hidden: after `RESTARTS_MAX` within `RESTARTS_WINDOW_S` the whole product stops
and says which one and where its log lies. A database that is away is no fault of the child: it is tried again for as
long as that lasts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from isthmus.cli.output import EXIT_REFUSED, note
from isthmus.clock import Clock
from isthmus.db.errors import EXIT_UNAVAILABLE

RESTARTS_MAX: Final = 5
RESTARTS_WINDOW_S: Final = 60.0
RESTART_DELAY_S: Final = 0.5
STOP_TIMEOUT_S: Final = 15.0
NOTE_EVERY_S: Final = 300.0


class ProcessFailed(Exception):
    """A process of the product does not stay up; the message names it and its log."""


@dataclass(slots=True)
class _Child:
    name: str
    arguments: Sequence[str]
    process: asyncio.subprocess.Process | None = None
    starts: deque[float] = field(default_factory=deque[float])
    noted_at: float | None = None
    database_away: bool = False


class Supervisor:
    """Runs each module as a process of its own that ends with this one, with one log file each."""

    def __init__(
        self,
        modules: Sequence[str],
        environ: Mapping[str, str],
        log_dir: Path,
        clock: Clock,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        leash = (sys.executable, "-m", "isthmus.cli.child", str(os.getpid()), str(stop_timeout_s))
        self._children = [_Child(module.rpartition(".")[2], (*leash, module)) for module in modules]
        self._environ = dict(environ)
        self._log_dir = log_dir
        self._clock = clock
        self._stop_timeout_s = stop_timeout_s

    async def run(self, stop: asyncio.Event) -> None:
        """Keep all children up until `stop` is set, then end them in reverse order.

        Raises `ProcessFailed` when one of them does not stay up.
        """
        failed: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                keepers = [group.create_task(self._keep(child)) for child in self._children]
                await stop.wait()
                for task in keepers:
                    task.cancel()
        except* ProcessFailed as failures:
            failed = failures.exceptions[0]
        finally:
            for child in reversed(self._children):
                await self._end(child)
        if failed is not None:  # not raised where it was caught: early releases of Python 3.11 wrap it in a group again
            raise failed

    def waits_for_database(self) -> bool:
        """Whether a child that is not up yet, or not again, ended last because the database was away."""
        return any(child.database_away for child in self._children)

    async def _keep(self, child: _Child) -> None:
        while True:
            now = self._clock.monotonic_s()
            child.starts.append(now)
            while now - child.starts[0] > RESTARTS_WINDOW_S:
                child.starts.popleft()
            if len(child.starts) > RESTARTS_MAX:
                message = f"{child.name} does not stay up. Its log says why: {self._log_file(child)}"
                raise ProcessFailed(message)
            child.process = await self._start(child)
            status = await child.process.wait()
            if status == EXIT_REFUSED:  # it said what is wrong with the settings: starting it again cannot help
                message = f"{child.name} refuses to start: {_last_line(self._log_file(child))}"
                raise ProcessFailed(message)
            child.database_away = status == EXIT_UNAVAILABLE
            if child.database_away:
                child.starts.pop()
                self._note_away(child)
            await asyncio.sleep(RESTART_DELAY_S)

    def _note_away(self, child: _Child) -> None:
        """Say it once and then now and again: an outage of hours must not fill a terminal or a system's journal."""
        now = self._clock.monotonic_s()
        if child.noted_at is None or now - child.noted_at > NOTE_EVERY_S:
            child.noted_at = now
            note(f"The database does not answer; {child.name} is started again until it does …")

    async def _start(self, child: _Child) -> asyncio.subprocess.Process:
        descriptor = os.open(self._log_file(child), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *child.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=self._environ,
                start_new_session=True,  # Ctrl-C reaches the supervisor, which ends its children in order
            )
        finally:
            os.close(descriptor)

    async def _end(self, child: _Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._stop_timeout_s):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _log_file(self, child: _Child) -> Path:
        return self._log_dir / f"{child.name}.log"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"see {log}"
