"""`isthmus link`: a new one-time link that signs the owner in."""

from __future__ import annotations

import secrets

import click

from isthmus.accounts.service import LINK_PATH, issue_link
from isthmus.cli.output import print_json, say
from isthmus.cli.running import with_installation
from isthmus.values import Secret
from isthmus.wiring.installation import Installation


@click.command(name="link")
@click.option("--tenant", help="The tenant's name or id, where there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(tenant: str | None, *, as_json: bool) -> None:
    """Print a new one-time sign-in link for the owner. Links that were not used yet stop working.

    \b
    Example:
      isthmus link
    """

    async def work(installation: Installation) -> tuple[str, Secret]:
        async with installation.transaction() as tx:
            link = await issue_link(tx, random_bytes=secrets.token_bytes, clock=installation.clock)
        return installation.settings.public_url, link

    public_url, link = with_installation(work, tenant)
    address = f"{public_url}{LINK_PATH}{link.reveal_text()}"
    if as_json:
        print_json({"sign_in_url": address})
    else:
        say("Sign in with this link, once and within 24 hours:")
        say(address)
