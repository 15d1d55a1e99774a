"""`isthmus org`: connect orgs through the browser, list them with their grants, cut them off."""

from __future__ import annotations

import asyncio
import secrets
import urllib.parse
import webbrowser
from typing import Final

import click

from isthmus.accounts.service import LINK_PATH, issue_link
from isthmus.cli.commands.budget import budget, local
from isthmus.cli.output import confirm, note, print_json, print_table, refuse, say
from isthmus.cli.running import with_installation
from isthmus.orgs.connections import list_connections
from isthmus.orgs.model import Connection, ConnectionState
from isthmus.sync import definitions
from isthmus.values import Alias, InvalidValue, Purpose
from isthmus.wiring.installation import Installation

CONNECT_WAIT_S: Final = 600
POLL_S: Final = 1.0

_TENANT = click.option("--tenant", help="The tenant's name or id, where there are several.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_PURPOSE = click.Choice([purpose.value for purpose in Purpose])


@click.group(name="org")
def command() -> None:
    """Connect, list and revoke Salesforce orgs.

    \b
    Examples:
      isthmus org connect prod --purpose audit
      isthmus org list
      isthmus org revoke prod
    """


command.add_command(budget)


def parse_alias(_ctx: click.Context, _param: click.Parameter, unparsed: str) -> Alias:
    """Return the alias that was given, or refuse it in click's own form."""
    try:
        return Alias.parse(unparsed)
    except InvalidValue as invalid:
        raise click.BadParameter(str(invalid)) from None


@command.command()
@click.argument("alias", callback=parse_alias)
@click.option("--purpose", type=_PURPOSE, required=True, help="What the grant is for: audit reads, sync also writes.")
@click.option("--no-browser", is_flag=True, help="Print the address and do not open a browser.")
@click.option("--no-wait", is_flag=True, help="Print the address and end.")
@_TENANT
@_JSON
def connect(alias: Alias, purpose: str, tenant: str | None, *, no_browser: bool, no_wait: bool, as_json: bool) -> None:
    """Open the portal's connect page for an org, and wait until the login at Salesforce is done.

    The login happens at Salesforce; Isthmus never sees a password.

    \b
    Examples:
      isthmus org connect prod --purpose audit
      isthmus org connect uat --purpose sync --no-browser
    """

    async def begin(installation: Installation) -> tuple[str, set[Connection]]:
        async with installation.transaction() as tx:
            before = set(await list_connections(tx))
            link = await issue_link(tx, random_bytes=secrets.token_bytes, clock=installation.clock)
        page = "/orgs/connect?" + urllib.parse.urlencode({"alias": alias, "purpose": purpose})
        query = urllib.parse.urlencode({"next": page})
        return f"{installation.settings.public_url}{LINK_PATH}{link.reveal_text()}?{query}", before

    address, before = with_installation(begin, tenant)
    if not as_json:
        say(f"Open this address, once, and log in at Salesforce: {address}")
    if not no_browser and not as_json:
        webbrowser.open(address)
    if no_wait:
        if as_json:
            print_json({"connect_url": address})
        return
    note("Waiting for the login …")
    connection = with_installation(lambda i: _connected(i, alias, Purpose(purpose), before), tenant)
    if as_json:
        print_json({"connect_url": address, **plain_connection(connection)})
    else:
        say(f"Connected {alias} for {purpose} as {connection.username}.", style="bold green")
        if connection.purpose is Purpose.AUDIT:
            say(f"Next, the first audit: isthmus audit run --org {alias} --out FOLDER")
            say(f"From then on it is audited weekly; when: isthmus audit schedule {alias}")


async def _connected(installation: Installation, alias: Alias, purpose: Purpose, before: set[Connection]) -> Connection:
    deadline = installation.clock.monotonic_s() + CONNECT_WAIT_S
    while installation.clock.monotonic_s() < deadline:
        ticket = await installation.keeper.ticket_for_operator(None)
        async with installation.database.tenant(ticket) as tx:
            for found in await list_connections(tx):
                wanted = found.alias == alias and found.purpose is purpose and found.state is ConnectionState.ACTIVE
                if wanted and found not in before:
                    return found
        await asyncio.sleep(POLL_S)
    refuse("Nobody logged in within ten minutes.", "Run the command again for a new address.")


@command.command(name="list")
@_TENANT
@_JSON
def list_command(tenant: str | None, *, as_json: bool) -> None:
    """List the connected orgs: purpose, state, user, granted scopes, since when.

    \b
    Example:
      isthmus org list --json
    """

    async def work(installation: Installation) -> list[Connection]:
        async with installation.transaction() as tx:
            return await list_connections(tx)

    connections = with_installation(work, tenant)
    if as_json:
        print_json([plain_connection(connection) for connection in connections])
    elif not connections:
        say("No org is connected yet. Connect one: isthmus org connect NAME --purpose audit")
    else:
        head = ("alias", "purpose", "state", "user", "scopes", "connected")
        rows = [
            (
                c.alias,
                c.purpose.value,
                c.state.value,
                c.username,
                c.scopes,
                local(c.connected_at),
            )
            for c in connections
        ]
        print_table("Connected orgs", head, rows)


@command.command()
@click.argument("alias", callback=parse_alias)
@click.option("--purpose", type=_PURPOSE, help="Only this grant; without it all grants of the org.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_TENANT
@_JSON
def revoke(alias: Alias, purpose: str | None, tenant: str | None, *, yes: bool, as_json: bool) -> None:
    """Stop every use of an org now, and give the grant back to Salesforce. Its syncs stop.

    \b
    Example:
      isthmus org revoke prod
      isthmus org revoke prod --purpose sync --yes --json
    """
    confirm(f"Revoke {alias}? Syncs and audits of this org stop at once.", yes=yes)

    async def work(installation: Installation) -> list[Connection]:
        async with installation.transaction() as tx:
            found = [
                connection
                for connection in await list_connections(tx)
                if connection.alias == alias
                and connection.state is not ConnectionState.REVOKED
                and purpose in {None, connection.purpose.value}
            ]
        for connection in found:
            await installation.keeper.revoke(installation.ticket, connection.id)
            async with installation.transaction() as tx:
                await definitions.pause_revoked(tx, connection.id)
        return found

    revoked = with_installation(work, tenant)
    if not revoked:
        refuse(f"No connection of {alias} is in force.", "`isthmus org list` shows what is.")
    if as_json:
        print_json({"revoked": [{"alias": str(c.alias), "purpose": c.purpose.value} for c in revoked]})
    else:
        say(f"Revoked {alias} ({', '.join(c.purpose.value for c in revoked)}). Nothing further is sent.", style="green")


def plain_connection(connection: Connection) -> dict[str, object]:
    """Return what a connection shows to machines."""
    return {
        "alias": str(connection.alias),
        "purpose": connection.purpose.value,
        "state": connection.state.value,
        "username": connection.username,
        "instance": connection.instance_origin,
        "scopes": connection.scopes.split(),
        "connected_at": connection.connected_at.isoformat(),
        "id": str(connection.id),
    }
