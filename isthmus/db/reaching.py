"""Why PostgreSQL does not let somebody in, in words of ours: what is away comes back, what is wrong has to be mended.

libpq gives connections that fail no code, only text, so the text is looked through for known signs. Nothing of it is
passed on, and nothing of the operator's address: a password with an unescaped `@` would be read as part of the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import psycopg

from isthmus.config import Settings
from isthmus.db.errors import DatabaseError, DatabaseUnusable, Unavailable


@dataclass(frozen=True, slots=True)
class _Sign:
    """A cause as libpq or the server words it, and what we say of it. `passing`: it may be over in a while."""

    texts: tuple[str, ...]
    what: str
    remedy: str
    passing: bool = False


_ADDRESS: Final = "ISTHMUS_DATABASE_URL"
_TOO_MANY: Final = ("too many clients", "remaining connection slots", "too many connections")
_AWAY_STATES: Final = ("08", "53", "57")

# In this order: an attempt without TLS that follows one with TLS leaves both complaints, and the first is the cause.
_OF_THE_ADDRESS: Final = (
    _Sign(
        ("no password supplied",),
        f"PostgreSQL wants a password, and {_ADDRESS} holds none",
        "Write it there, or name a file of passwords there: ?passfile=/path",
    ),
    _Sign(
        ("password authentication failed",),
        f"PostgreSQL refuses the account or the password of {_ADDRESS}",
        "Correct them. In a password, write @ as %40, / as %2F, : as %3A, % as %25",
    ),
)
_OF_A_ROLE: Final = (
    _Sign(
        ("no password supplied", "password authentication failed"),
        "PostgreSQL refuses the password that the folder of secrets holds for {role}",
        "Put back the folder of secrets that belongs to this database, or set ISTHMUS_SECRETS_DIR to where it is. "
        "If it is lost with all its keys, and only then: a new folder, a new database, and the orgs connected anew",
    ),
    _Sign(
        ("permission denied for database",),
        "PostgreSQL does not let {role} into the database",
        f"Run `isthmus up` with the {_ADDRESS} that leads to it: each start grants what is needed",
    ),
)
_OF_ANY: Final = (
    _Sign(
        ("certificate verify failed", "does not match host name", "certificate has expired"),
        "PostgreSQL's certificate is not accepted",
        f"Name its authority in {_ADDRESS} (?sslmode=verify-full&sslrootcert=/path/ca.crt), and the server as the "
        "certificate does. ISTHMUS_CA_FILE is for orgs only",
    ),
    _Sign(
        ("root certificate file", "could not read root certificate", "certificate file"),
        f"the file of certificates that {_ADDRESS} needs is not there or cannot be read",
        "Name it with sslrootcert=/path/ca.crt, or write sslrootcert=system",
    ),
    _Sign(
        ("does not support SSL",),
        f"PostgreSQL offers no TLS, and {_ADDRESS} demands it",
        "Set the server's `ssl = on`, or leave sslmode out where the way to it needs no protection",
    ),
    _Sign(
        ("is not permitted to log in", "does not exist"),
        f"PostgreSQL knows no such database, or no such account ({_ADDRESS})",
        "Make the database, owned by that account, or correct the address",
    ),
    _Sign(
        ("no pg_hba.conf entry", "pg_hba.conf rejects"),
        "PostgreSQL's pg_hba.conf lets {role} not in from here, or only with TLS",
        "Allow the database to isthmus_migrate, isthmus_portal, isthmus_keeper and isthmus_worker as to the account of "
        f"{_ADDRESS}, by scram-sha-256. For TLS write sslmode=require, or better verify-full",
    ),
    _Sign(
        ("permission denied for database",),
        f"the account of {_ADDRESS} may not enter the database",
        "Make it the database's owner: alter database NAME owner to ACCOUNT",
    ),
    _Sign(
        (
            "invalid response to SSL",
            "unsupported frontend protocol",
            "received invalid",
            "invalid sslmode",
            "definition of",
        ),
        f"{_ADDRESS} leads to something else than PostgreSQL, or has a setting that libpq does not know",
        "Write it as postgresql://owner@host:5432/name?sslmode=verify-full&sslrootcert=/path/ca.crt",
    ),
    _Sign(_TOO_MANY, "PostgreSQL has no connection left", "Isthmus needs 35: raise max_connections", passing=True),
    _Sign(
        ("starting up", "shutting down", "recovery mode", "not yet accepting", "not accepting connections"),
        "PostgreSQL is just starting or stopping",
        "Wait for it",
        passing=True,
    ),
    _Sign(
        ("resolve host", "translate host name"),
        f"the host name in {_ADDRESS} leads nowhere",
        "Correct it, or look at this machine's name service. In a password, write @ as %40",
        passing=True,
    ),
)
_SILENT: Final = _Sign(
    (), "PostgreSQL does not answer", f"Start it, or correct host and port in {_ADDRESS}", passing=True
)
_SILENT_EMBEDDED: Final = "PostgreSQL does not answer or refuses the account. Is it running, and is its address right?"


def not_let_in(error: psycopg.Error, settings: Settings, role: str | None) -> DatabaseError:
    """Return why a connection failed: `DatabaseUnusable` where waiting cannot help, else `Unavailable`.

    `role` is the role that knocked, None for the account that the operator's address names.
    """
    if settings.database_url is None:
        return Unavailable(_SILENT_EMBEDDED)
    text = str(error)
    signs = (*(_OF_THE_ADDRESS if role is None else _OF_A_ROLE), *_OF_ANY)
    sign = next((sign for sign in signs if any(part in text for part in sign.texts)), _SILENT)
    message = f"{sign.what}. {sign.remedy}.".replace("{role}", role or "the account")
    return Unavailable(message) if sign.passing else DatabaseUnusable(message)


def not_prepared(error: psycopg.Error, settings: Settings) -> DatabaseError:
    """Return why the operator's account could not prepare its database, once it was let in."""
    state = error.sqlstate or ""
    if isinstance(error, psycopg.OperationalError) and (not state or state.startswith(_AWAY_STATES)):
        return Unavailable("PostgreSQL went away while the database was prepared. Nothing half-done stays in it.")
    if settings.database_url is None:
        return DatabaseUnusable(f"PostgreSQL refused to prepare the database ({state}).")
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return DatabaseUnusable(
            f"the account of {_ADDRESS} lacks a right: it has to own the database and to be able to create roles. "
            "As the server's administrator: alter role ACCOUNT createrole; alter database NAME owner to ACCOUNT; and "
            "where another account made the roles isthmus_* (a restored backup): grant isthmus_owner, isthmus_migrate, "
            "isthmus_portal, isthmus_keeper, isthmus_worker to ACCOUNT with admin option."
        )
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return DatabaseUnusable(
            f"the server that {_ADDRESS} leads to only copies another (standby), or was set read-only. "
            "Name the one that takes writes; of several, ?target_session_attrs=read-write finds it."
        )
    return DatabaseUnusable(f"PostgreSQL refused to prepare the database ({state}).")
