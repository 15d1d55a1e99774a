"""What a mover found of its own confinement, kept for the trust page: numbers only. Written by audits and syncs."""

from __future__ import annotations

from isthmus.db.database import TenantTx
from isthmus.sandbox.report import SandboxReport


async def save_attestation(tx: TenantTx, report: SandboxReport) -> None:
    """Write one report."""
    await tx.execute(
        """
        insert into trust.attestation (confined, landlock_abi, seccomp_mode, no_new_privs, dumpable, memory_locked,
            core_limit, file_size_limit, processes_limit, threads, descriptors, swap_kb, tried, refused)
        values (%(confined)s, %(landlock_abi)s, %(seccomp_mode)s, %(no_new_privs)s, %(dumpable)s, %(memory_locked)s,
            %(core_limit)s, %(file_size_limit)s, %(processes_limit)s, %(threads)s, %(descriptors)s, %(swap_kb)s,
            %(tried)s, %(refused)s)
        """,
        confined=report.confined,
        landlock_abi=report.landlock_abi,
        seccomp_mode=report.seccomp_mode,
        no_new_privs=report.no_new_privs,
        dumpable=report.dumpable,
        memory_locked=report.memory_locked,
        core_limit=report.core_limit,
        file_size_limit=report.file_size_limit,
        processes_limit=report.processes_limit,
        threads=report.threads,
        descriptors=report.descriptors,
        swap_kb=report.swap_kb,
        tried=report.tried,
        refused=report.refused,
    )
