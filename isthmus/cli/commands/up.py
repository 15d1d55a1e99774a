"""`isthmus up`: the whole product on this machine."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import urllib.parse
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import click

from isthmus.accounts.service import LINK_PATH
from isthmus.cli.kept_database import KeptDatabase
from isthmus.cli.listening import refuse_port_in_use
from isthmus.cli.only_one import only_one
from isthmus.cli.output import EXIT_REFUSED, note, print_json, refuse, say
from isthmus.cli.running import settings_here
from isthmus.cli.supervisor import ProcessFailed, Supervisor
from isthmus.clock import Clock, SystemClock
from isthmus.config import Settings
from isthmus.db.address import MIGRATE, without_owner
from isthmus.db.errors import EXIT_UNAVAILABLE, DatabaseError, Unavailable
from isthmus.orgs.keeper_client import KeeperClient, KeeperUnavailable
from isthmus.wiring.first_start import KeyRefused, Ready, first_start

MODULES: Final = ("isthmus.keeper", "isthmus.worker", "isthmus.portal")
READY_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.05
AWAY_DELAY_S: Final = 2.0


Result = TypeVar("Result")


class _StoppedEarly(Exception):
    """Somebody stopped the start before it was done."""


@click.command(name="up")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when everything is ready.")
def command(*, as_json: bool) -> None:
    """Start the whole product on this machine and keep it running; Ctrl-C stops it in order.

    The first start makes a database, a key and a one-time link that signs its owner in. A later start prints no link:
    `isthmus link` makes a new one.

    \b
    Examples:
      isthmus up
      ISTHMUS_PORT=9000 ISTHMUS_PUBLIC_URL=https://isthmus.example.com isthmus up

    Settings are environment variables: ISTHMUS_HOME, ISTHMUS_SECRETS_DIR, ISTHMUS_KEY_FILE, ISTHMUS_DATABASE_URL,
    ISTHMUS_BIND, ISTHMUS_PORT, ISTHMUS_PUBLIC_URL, ISTHMUS_CA_FILE, ISTHMUS_NOTICES_FILE, ISTHMUS_SMTP_URL,
    ISTHMUS_ALLOW_LOOPBACK_HTTP, ISTHMUS_ALLOW_NO_SANDBOX. docs/operating.md says what each does.
    """
    settings = settings_here()
    try:
        with only_one(settings):
            refuse_port_in_use(
                settings.bind,
                settings.port,
                another=f"ISTHMUS_PORT={settings.port + 1} isthmus up",
                elsewhere="Set ISTHMUS_BIND to an address of this machine and ISTHMUS_PORT to a port that you may use.",
            )
            asyncio.run(_up(settings, as_json=as_json))
    except (KeyRefused, DatabaseError, ProcessFailed) as failure:
        what, _, remedy = str(failure).partition(". ")
        refuse(
            f"Isthmus does not start: {what.rstrip('.')}.",
            remedy or "Run `isthmus doctor`; it says what is wrong.",
            EXIT_UNAVAILABLE if isinstance(failure, Unavailable) else EXIT_REFUSED,
        )


async def _up(settings: Settings, *, as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A terminal that is closed stops everything in order, unless `nohup` was to prevent it.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    clock = SystemClock()
    database = KeptDatabase(settings, clock)
    failed: BaseException | None = None
    try:
        if settings.database_url is None:
            note("Starting PostgreSQL …")
            await _or_stopped(database.start(), stop)
        ready = await _or_stopped(_prepared(settings, clock), stop)
        note("Starting keeper, worker and portal …")
        supervisor = Supervisor(MODULES, without_owner(os.environ), settings.log_dir, clock)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(database.keep())
            announcing = group.create_task(_announce(settings, ready, supervisor, stop, as_json=as_json))
            await supervisor.run(stop)
            keeping.cancel()
            announcing.cancel()
    except* (ProcessFailed, DatabaseError, KeyRefused) as failures:
        failed = failures.exceptions[0]
    except* _StoppedEarly:
        pass
    finally:
        await database.stop()
    if failed is not None:  # not raised where it was caught: early releases of Python 3.11 wrap it in a group again
        raise failed
    note("Stopped.")


async def _prepared(settings: Settings, clock: Clock) -> Ready:
    """Prepare the installation; wait for a server of the operator's that was there before, as after a reboot of both.

    Where none was there before, its address is more likely wrong: that is said at once.
    """
    waits = settings.database_url is not None and settings.passfile(MIGRATE).exists()
    noted = ""
    while True:
        try:
            return await first_start(settings, clock=clock, random_bytes=secrets.token_bytes)
        except Unavailable as away:
            if not waits:
                raise
            if str(away) != noted:
                noted = str(away)
                note(f"{noted} Trying again until it does; Ctrl-C stops.")
        await asyncio.sleep(AWAY_DELAY_S)


async def _or_stopped(work: Coroutine[Any, Any, Result], stop: asyncio.Event) -> Result:
    """Return what `work` gives, or end it and raise `_StoppedEarly` when somebody stops the start."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
        raise _StoppedEarly
    return working.result()


async def _announce(
    settings: Settings, ready: Ready, supervisor: Supervisor, stop: asyncio.Event, *, as_json: bool
) -> None:
    """Wait until portal and keeper answer, then say where they are; for as long as it takes a database to be back."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        late = clock() - began > READY_TIMEOUT_S  # looked at before they are asked: this process may have stood still
        if await _portal_answers(settings) and await _keeper_answers(settings):
            with suppress(OSError):  # a terminal that was closed meanwhile
                _print_ready(settings, ready, as_json=as_json)
            return
        if stop.is_set():
            return
        if late and not supervisor.waits_for_database():
            break
        await asyncio.sleep(POLL_S)
    message = f"portal or keeper did not answer within {READY_TIMEOUT_S:.0f} s. Their logs lie in {settings.log_dir}"
    raise ProcessFailed(message)


async def _portal_answers(settings: Settings) -> bool:
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(settings.bind, settings.port)
            host = urllib.parse.urlsplit(settings.public_url).netloc
            writer.write(f"GET /healthz HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            status = await reader.readline()
            writer.close()
            return b" 200 " in status
    except (OSError, TimeoutError):
        return False


async def _keeper_answers(settings: Settings) -> bool:
    try:
        await KeeperClient(settings.keeper_portal_socket).custody()
    except KeeperUnavailable:
        return False
    return True


def _print_ready(settings: Settings, ready: Ready, *, as_json: bool) -> None:
    link = None
    if ready.owner_link is not None:
        link = f"{settings.public_url}{LINK_PATH}{ready.owner_link.reveal_text()}"
    if as_json:
        print_json({"portal_url": settings.public_url, "sign_in_url": link, "home": str(settings.home)}, one_line=True)
        return
    say(f"Isthmus is running: {settings.public_url}", style="bold green")
    if link is not None:
        say(f"Sign in with this link, once and within 24 hours: {link}")
    else:
        say("For a new sign-in link, run: isthmus link")
    say(f"The key lies in {settings.key_file}. Back it up apart from {settings.home}. Ctrl-C stops.", style="dim")
