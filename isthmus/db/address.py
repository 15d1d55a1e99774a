"""Where the database is and as whom to knock: the embedded server's unix socket, or the operator's own server."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

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


LOGIN_ROLES: Final = (MIGRATE, *(role.value for role in Role))


def connect_arguments(settings: Settings, role: str) -> dict[str, str]:
    """Return libpq's arguments for `role`; the password is in the role's password file, never among them."""
    own = {"user": role, "passfile": str(settings.passfile(role)), "application_name": "isthmus"}
    if settings.database_url is None:
        return {"host": str(settings.run_dir), "dbname": DATABASE_NAME, **own}
    return {**_own_server(settings.database_url), **own}


def owner_arguments(settings: Settings) -> dict[str, str]:
    """Return libpq's arguments for the account that may create roles: embedded superuser, or the address's owner."""
    if settings.database_url is not None:
        return {**conninfo(settings.database_url), "application_name": "isthmus"}
    passfile = str(settings.passfile(SUPERUSER))
    return {"host": str(settings.run_dir), "dbname": SUPERUSER, "user": SUPERUSER, "passfile": passfile}


def conninfo(url: str) -> dict[str, str]:
    """Parse the operator's address. Raises `DatabaseUnusable` without quoting it: it may hold a password."""
    try:
        return {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error:
        message = "ISTHMUS_DATABASE_URL is not a PostgreSQL address. Write it as postgresql://owner@host:5432/name."
        raise DatabaseUnusable(message) from None


def _own_server(url: str) -> dict[str, str]:
    kept = conninfo(url)
    for own_only in ("user", "password", "passfile", "options", "application_name"):
        kept.pop(own_only, None)
    return kept
