"""Copies under hostile moods and kills: each must end equal, or say the truth so that the next one converges."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from isthmus.sync.copy import CopyResult
from tests.support.copying import LOOKUPS, Pair
from tests.support.orgsim import Orgsim

COPIES_MAX = 25
KILLS_MAX = 3


@dataclass
class TroubleSeen:
    """What one seed brought: copies made, movers killed, and what the unfinished copies said."""

    copies: int = 0
    kills: int = 0
    messages: list[str] = field(default_factory=list)


async def copy_until_equal(pair: Pair, seed: int, rows: int, *, bulk_rows_min: int) -> TroubleSeen:
    """Copy under the hostile moods of `seed` until a copy says that it is done; then both orgs must be equal."""
    _begin(pair, seed, rows)
    seen = TroubleSeen()
    while True:
        result = await _copy(pair, bulk_rows_min)
        seen.copies += 1
        if _judged(pair, result, seen):
            return seen
        assert seen.copies < COPIES_MAX, f"no copy got through: {seen.messages}"


async def killed_copy(pair: Pair, seed: int, rows: int, *, bulk_rows_min: int) -> TroubleSeen:
    """Kill the mover of up to `KILLS_MAX` hostile copies at random moments, then let them finish."""
    _begin(pair, seed, rows)
    rng = random.Random(seed)
    seen = TroubleSeen()
    while True:
        copying = asyncio.create_task(_copy(pair, bulk_rows_min))
        if seen.kills < KILLS_MAX:
            seen.kills += await _kill_a_mover(copying, rng)
        result = await copying
        seen.copies += 1
        if _judged(pair, result, seen):
            return seen
        assert seen.copies < COPIES_MAX, f"no copy got through: {seen.messages}"


async def _kill_a_mover(copying: asyncio.Task[CopyResult], rng: random.Random) -> int:
    moment_s = rng.uniform(0.0, 6.0)
    await asyncio.wait({copying}, timeout=moment_s)
    if copying.done():
        return 0
    found = movers()
    for process in found:
        os.kill(process.pid, signal.SIGKILL)
    return len(found)


def movers() -> list[psutil.Process]:
    """Return the movers that this process has started and that are alive."""
    found: list[psutil.Process] = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it may end while we look
            if child.status() != psutil.STATUS_ZOMBIE and "isthmus.worker.mover" in " ".join(child.cmdline()):
                found.append(child)
    return found


def _begin(pair: Pair, seed: int, rows: int) -> None:
    for org in (pair.source, pair.target):
        org.control("POST", "/reset")
        org.control("POST", "/whims", {"level": "off"})
    pair.fill(rows)
    pair.source.control("POST", "/whims", {"level": "hostile", "seed": seed})
    pair.target.control("POST", "/whims", {"level": "hostile", "seed": seed + 1_000_000})


async def _copy(pair: Pair, bulk_rows_min: int) -> CopyResult:
    """A copy has fixed tokens, which the moods let expire: each gets fresh ones, as a person would give it."""
    fresh = Pair(_with_token(pair.source), _with_token(pair.target), pair.settings)
    return await fresh.copy(bulk_rows_min=bulk_rows_min)


def _with_token(org: Orgsim) -> Orgsim:
    token = org.control("POST", f"/users/{org.username}/token")["access_token"]
    return Orgsim(
        org.instance_url,
        org.control_url,
        org.client_id,
        org.username,
        org.password,
        token,
        org.ready,
        org.process,
    )


def _judged(pair: Pair, result: CopyResult, seen: TroubleSeen) -> bool:
    """Whether the copy is done. Done means equal; partial or stopped must say why."""
    if result.exit_status == 0:
        for org in (pair.source, pair.target):
            org.control("POST", "/whims", {"level": "off"})
        pair.assert_equal()
        written = {step.title: step.rows_written for step in result.steps}
        for name in LOOKUPS:
            there = len(pair.source.rows(name))
            assert written[name] == there, f"{name}: says {written[name]} written of {there}"
        return True
    if result.exit_status == 1:
        assert result.failures, "partial without a reason"
        seen.messages += [f"partial {failure.code}" for failure in result.failures]
    else:
        assert result.message, "stopped without a reason"
        assert "mistake" not in result.message, result.message
        seen.messages.append(result.message)
    return False
