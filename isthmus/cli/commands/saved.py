"""`isthmus sync export`, `pause`, `resume`: what is done with a saved sync without running it."""

from __future__ import annotations

from typing import Final

import click

from isthmus.cli.output import print_json, say
from isthmus.cli.plain_syncs import plain_sync
from isthmus.cli.syncs import change_named, named, with_syncs
from isthmus.sync import definitions
from isthmus.sync.views import SyncView
from isthmus.wiring.installation import Installation

_TENANT: Final = click.option("--tenant", help="The tenant's name or id, where there are several.")
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_NAME: Final = click.argument("name", metavar="NAME_OR_FILE")


@click.command()
@_NAME
@_TENANT
def export(name: str, tenant: str | None) -> None:
    """Print a saved sync as YAML, in its normal writing.

    \b
    Example:
      isthmus sync export "Accounts to UAT" > accounts.yaml
    """

    async def work(installation: Installation) -> str:
        sync = await named(installation, name)
        async with installation.transaction() as tx:
            return await definitions.export(tx, sync)

    click.echo(with_syncs(work, tenant), nl=False)


@click.command()
@_NAME
@_TENANT
@_JSON
def pause(name: str, tenant: str | None, *, as_json: bool) -> None:
    """Stop a sync's schedule; a run under way is finished.

    \b
    Example:
      isthmus sync pause "Accounts to UAT"
    """
    view = with_syncs(lambda installation: change_named(installation, name, definitions.pause), tenant)
    _show_state(view, "Paused", as_json=as_json)


@click.command()
@_NAME
@_TENANT
@_JSON
def resume(name: str, tenant: str | None, *, as_json: bool) -> None:
    """Start a paused sync's schedule again from where it stood.

    \b
    Example:
      isthmus sync resume "Accounts to UAT"
    """
    view = with_syncs(lambda installation: change_named(installation, name, definitions.resume), tenant)
    _show_state(view, "Resumed", as_json=as_json)


def _show_state(view: SyncView, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(plain_sync(view))
    else:
        say(f"{what} {view.title}.", style="green")


SAVED_COMMANDS: Final = (export, pause, resume)
