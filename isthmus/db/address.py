"""Where the database is and as whom to knock: the embedded server's unix socket, or the operator's own server."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from isthmus.config import Settings
from isthmus.db.errors import DatabaseUnusable

DATABASE_NAME: Final = "isthmus"
SUPERUSER: Final = "postgres"
OWNER: Final = "isthmus_owner"
"""Owns every object, can never log in."""
MIGRATE: Final = "isthmus_migrate"


class Role(StrEnum):
    """The database roles that serve; none owns anything."""

    PORTAL = "isthmus_portal"
    KEEPER = "isthmus_keeper"
    WORKER = "isthmus_worker"


DATABASE_VARIABLE: Final = "ISTHMUS_DATABASE_URL"
OWNER_VARIABLES: Final = frozenset({"PGUSER", "PGPASSWORD", "PGPASSFILE", "PGOPTIONS"})
"""What libpq would read from the environment that concerns the operator's account only."""

SILENCE_LIMITS: Final[Mapping[str, str]] = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""A server whose host vanished, or a firewall that forgot us, is noticed in a minute; the address may say otherwise."""

LOGIN_ROLES: Final = (MIGRATE, *(role.value for role in Role))


def connect_arguments(settings: Settings, role: str) -> dict[str, str]:
    """Return libpq's arguments for `role`; the password is in the role's password file, never among them."""
    own = {"user": role, "passfile": str(settings.passfile(role)), "application_name": "isthmus"}
    own["password"] = ""  # said, or libpq would take that of PGPASSWORD or of a service file: it is the owner's
    if settings.database_url is None:
        return {"host": str(settings.run_dir), "dbname": DATABASE_NAME, **own}
    return {**SILENCE_LIMITS, **_own_server(settings.database_url), **own}


def owner_arguments(settings: Settings) -> dict[str, str]:
    """Return libpq's arguments for the account that may create roles: embedded superuser, or the address's owner."""
    if settings.database_url is not None:
        return {**conninfo(settings.database_url), "application_name": "isthmus"}
    passfile = str(settings.passfile(SUPERUSER))
    return {"host": str(settings.run_dir), "dbname": SUPERUSER, "user": SUPERUSER, "passfile": passfile}


def conninfo(url: str) -> dict[str, str]:
    """Parse the operator's address. Raises `DatabaseUnusable` without quoting it: it may hold a password."""
    try:
        parsed = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error:
        message = (
            f"{DATABASE_VARIABLE} is not a PostgreSQL address. Write it as postgresql://owner@host:5432/name; "
            "after ? come settings of libpq only (sslmode, sslrootcert, …), none of poolers or other drivers."
        )
        raise DatabaseUnusable(message) from None
    if not {"dbname", "service"} & parsed.keys():  # libpq would take one of the account's name, another for each role
        message = f"{DATABASE_VARIABLE} names no database. Write it as postgresql://owner@host:5432/name."
        raise DatabaseUnusable(message)
    return parsed


def without_owner(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for processes that serve: it leads to the database, and says nothing of its owner.

    Raises `DatabaseUnusable`.
    """
    kept = {name: value for name, value in environ.items() if name not in OWNER_VARIABLES}
    if kept.get(DATABASE_VARIABLE):
        kept[DATABASE_VARIABLE] = make_conninfo("", **_own_server(kept[DATABASE_VARIABLE]))
    return kept


def _own_server(url: str) -> dict[str, str]:
    kept = conninfo(url)
    for own_only in ("user", "password", "passfile", "options", "application_name"):
        kept.pop(own_only, None)
    return kept
