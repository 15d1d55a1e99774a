"""How a command runs: settings read, services awaited, every foreseen failure turned into one message with a remedy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Never, TypeVar

from isthmus.cli.headless import HeadlessOrg
from isthmus.cli.only_one import is_up
from isthmus.cli.output import refuse
from isthmus.config import Settings, SettingsInvalid, read_settings
from isthmus.db.errors import DatabaseError, Unavailable
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.orgs.keeper_client import DatabaseAway, KeeperRefused, KeeperUnavailable, NoTenant
from isthmus.values import OrgHost
from isthmus.wiring.installation import Installation, open_installation

Result = TypeVar("Result")


def settings_here() -> Settings:
    """Return the settings of the environment, or stop with exit status 2."""
    try:
        settings = read_settings(os.environ)
    except SettingsInvalid as invalid:
        what, _, remedy = str(invalid).partition(". ")
        refuse(f"{what}.", remedy or "See `isthmus up --help` for the settings.")
    if settings.ca_file is not None and not os.access(settings.ca_file, os.R_OK):
        refuse(
            f"ISTHMUS_CA_FILE cannot be read: {settings.ca_file}", "Name a readable PEM file, or remove the setting."
        )
    return settings


def with_installation(work: Callable[[Installation], Awaitable[Result]], tenant: str | None = None) -> Result:
    """Run `work` against the installation that runs on this machine, or stop with exit status 2."""
    settings = settings_here()

    async def go() -> Result:
        async with open_installation(settings, tenant) as installation:
            return await work(installation)

    try:
        return asyncio.run(go())
    except (DatabaseAway, Unavailable):
        _refuse_without_database(settings)
    except KeeperUnavailable:
        if is_up(settings):
            refuse(
                "Isthmus is running here, but its keeper does not answer: it starts, or waits for PostgreSQL.",
                f"Try again in a moment. If it stays so, {settings.log_dir / 'keeper.log'} says why.",
            )
        refuse(
            f"No Isthmus is running here (looked in {settings.run_dir}).",
            "Start it with `isthmus up`, or set ISTHMUS_HOME to where it runs.",
        )
    except NoTenant:
        refuse("That tenant does not exist here, or there are several.", "Name one with --tenant.")
    except KeeperRefused as refused:
        refuse(f"The keeper refuses: {refused}.", "Run the command as the user that runs `isthmus up`.")
    except DatabaseError as error:
        refuse(f"The database does not serve this: {error}.", "Run `isthmus doctor`; it says what is wrong.")


def _refuse_without_database(settings: Settings) -> Never:
    remedy = (
        f"If it stays so, {settings.log_dir / 'postgres.log'} says why."
        if settings.database_url is None
        else "Start your server, or look at the way to it; `isthmus doctor` says what is wrong."
    )
    refuse("PostgreSQL does not answer. Isthmus goes on by itself when it is back.", remedy)


def judged_host(org: HeadlessOrg, settings: Settings) -> OrgHost:
    """Return the host of an org from the command line, or stop with exit status 2 if it is none of Salesforce's."""
    host = parse_login_host(org.unverified_instance_url, allow_loopback_http=settings.allow_loopback_http)
    if isinstance(host, HostDenied):
        refuse(
            f"The instance URL of {org.name} is refused: {host.reason}.",
            "Use the org's My Domain address, for example https://example.my.salesforce.com",
        )
    return host
