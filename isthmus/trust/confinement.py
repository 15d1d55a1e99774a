"""Judging what movers reported of their own confinement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from isthmus.db.database import TenantTx
from isthmus.sandbox.report import Probe
from isthmus.trust.model import Outcome, Verdict

RECENT: Final = timedelta(hours=24)
SECCOMP_FILTER: Final = 2


@dataclass(frozen=True, slots=True)
class Attestation:
    """One mover's report as the worker stored it."""

    reported_at: datetime
    confined: bool
    landlock_abi: int
    seccomp_mode: int
    dumpable: int
    core_limit: int
    file_size_limit: int
    swap_kb: int
    tried: int
    refused: int


async def latest_attestations(tx: TenantTx) -> list[Attestation]:
    """Return the newest reports first, a hundred at most."""
    return await tx.fetch_all(
        """
        select reported_at, confined, landlock_abi, seccomp_mode, dumpable, core_limit, file_size_limit, swap_kb,
            tried, refused
        from trust.attestation order by id desc limit 100
        """,
        row=Attestation,
    )


def judge_confinement(attestations: Sequence[Attestation], now: datetime) -> Outcome:
    """Kept if the latest mover was confined and none of the last 24 hours was not."""
    if not attestations:
        return Outcome(
            Verdict.NOT_YET_KNOWN, ("No mover has run here yet.",), "Run an audit or a sync; then this is known."
        )
    last = attestations[0]
    loose = [a for a in attestations if not a.confined and (a is last or a.reported_at > now - RECENT)]
    seccomp = "filter active" if last.seccomp_mode == SECCOMP_FILTER else "no filter"
    evidence = (
        f"Latest mover, {last.reported_at:%Y-%m-%d %H:%M:%S} UTC: Landlock ABI {last.landlock_abi}, seccomp {seccomp}.",
        f"It tried {last.tried.bit_count()} forbidden things and was refused {last.refused.bit_count()} of them"
        + (f"; not refused: {_names(last.tried & ~last.refused)}." if last.tried & ~last.refused else "."),
        f"It may write files of {last.file_size_limit} bytes and core dumps of {last.core_limit} bytes.",
        f"{len(attestations)} reports looked at, {len(loose)} unconfined in the last 24 hours.",
    )
    if loose:
        remedy = "Use a kernel with Landlock and seccomp (Linux 5.13 or newer), then unset ISTHMUS_ALLOW_NO_SANDBOX."
        return Outcome(Verdict.WITHDRAWN, evidence, remedy)
    return Outcome(Verdict.KEPT, evidence)


def _names(bits: int) -> str:
    return ", ".join(probe.name.lower().replace("_", " ") for probe in Probe if bits >> probe & 1)
