"""The catalogue gate: before a process serves, the database's own catalogue is asked whether isolation holds.

Each lint is one query in `db/lints/` that returns what is wrong; an empty answer is a pass. Run at the start of each
process, by the trust page, and in tests, where each lint is shown a planted fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Final, LiteralString, cast

import psycopg

from isthmus.db.address import Role
from isthmus.db.errors import DatabaseUnusable

VERSION_FLOORS: Final = {15: 18, 16: 14, 17: 10, 18: 4}
"""The first minor release of each major without CVE-2026-6473, through which a query could corrupt the heap."""
VERSION_MAJOR_MIN: Final = 15
FAULTS_SHOWN_MAX: Final = 5
HOST_DEPENDENT: Final = frozenset({"server_log_is_silent", "no_way_around_tables"})
"""Lints whose remedy needs the server's superuser, which a managed server may not give: shown there, not enforced."""


@dataclass(frozen=True, slots=True)
class GateFault:
    """One thing that is wrong: the lint that saw it, the object, and what is wrong with it."""

    lint: str
    subject: str
    fault: str

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.subject}: {self.fault} [{self.lint}]"


def lint_names() -> list[str]:
    """Return the names of all lints, in order of the alphabet."""
    folder = files("isthmus.db").joinpath("lints")
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))


async def check(connection: psycopg.AsyncConnection[tuple[object, ...]], role: Role) -> list[GateFault]:
    """Return everything that is wrong with the database as `role` sees it; empty means that the gate is open."""
    faults: list[GateFault] = []
    version = version_fault(connection.info.server_version)
    if version is not None:
        faults.append(version)
    cursor = await connection.execute("select session_user")
    session = await cursor.fetchone()
    if session is None or session[0] != role.value:
        faults.append(GateFault("session_role", role.value, "the session is not of this role"))
    for name in lint_names():
        cursor = await connection.execute(_lint(name))
        faults.extend(GateFault(name, str(subject), str(fault)) for subject, fault in await cursor.fetchall())
    return faults


async def require_sound(
    connection: psycopg.AsyncConnection[tuple[object, ...]], role: Role, *, managed_server: bool = False
) -> list[GateFault]:
    """Raise `DatabaseUnusable`, naming the faults, unless the gate is open.

    `managed_server`: the operator's own PostgreSQL, where the faults of `HOST_DEPENDENT` lints are returned instead.
    """
    faults = await check(connection, role)
    tolerated = [fault for fault in faults if managed_server and fault.lint in HOST_DEPENDENT]
    blocking = [fault for fault in faults if fault not in tolerated]
    if blocking:
        shown = "; ".join(str(fault) for fault in blocking[:FAULTS_SHOWN_MAX])
        more = f" and {len(blocking) - FAULTS_SHOWN_MAX} more" if len(blocking) > FAULTS_SHOWN_MAX else ""
        message = (
            f"the database does not keep tenants apart as it must, so nothing is served: {shown}{more}. "
            "Undo the change that was made to it, or restore it from a backup; `isthmus doctor` lists everything."
        )
        raise DatabaseUnusable(message)
    return tolerated


def version_fault(server_version: int) -> GateFault | None:
    """Return what is wrong with a server of this version number (180006 is 18.6), or None."""
    major, minor = divmod(server_version, 10_000)
    floor = VERSION_FLOORS.get(major, 0)
    if major < VERSION_MAJOR_MIN:
        return GateFault("version_floor", f"PostgreSQL {major}.{minor}", "is older than 15; upgrade it")
    if minor < floor:
        fault = f"has known holes that row-level security cannot stop; upgrade it to {major}.{floor} or newer"
        return GateFault("version_floor", f"PostgreSQL {major}.{minor}", fault)
    return None


def _lint(name: str) -> LiteralString:
    """Return a lint of this package, which is as constant as the code beside it."""
    return cast("LiteralString", files("isthmus.db").joinpath("lints", f"{name}.sql").read_text("utf-8"))
