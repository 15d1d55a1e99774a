"""`isthmus key`: the key-encryption key of this installation."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from isthmus.cli.only_one import only_one
from isthmus.cli.output import note, print_json, refuse, say
from isthmus.cli.running import settings_here
from isthmus.config import Settings
from isthmus.db.address import without_owner
from isthmus.db.embedded import EmbeddedServer, start_embedded
from isthmus.db.errors import DatabaseError


@click.group(name="key")
def command() -> None:
    """Rotate the key that seals the tokens.

    \b
    Example:
      isthmus key rotate
    """


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rotate(*, as_json: bool) -> None:
    """Make a new key and seal every credential under it. Isthmus must be stopped; an interruption loses nothing.

    The old key is replaced at the very end, so running the command again takes an interrupted rotation up.

    \b
    Example:
      isthmus key rotate
    """
    settings = settings_here()
    with only_one(settings):
        if not settings.key_file.exists():
            refuse(f"There is no key at {settings.key_file}.", "The first `isthmus up` makes one.")
        try:
            status, said = asyncio.run(_rotate(settings))
        except DatabaseError as failure:
            what, _, remedy = str(failure).partition(". ")
            refuse(f"{what.rstrip('.')}.", remedy or "Run `isthmus doctor`; it says what is wrong.")
    if status != 0:
        what, _, remedy = said.removeprefix("keeper: ").partition(". ")
        refuse(f"The key was not rotated: {what.rstrip('.')}.", remedy or "Nothing is lost. Run the command again.")
    credentials, _, key_id = said.partition(" ")
    if as_json:
        print_json({"credentials": int(credentials), "key_id": key_id})
    else:
        say(f"Rotated: {credentials} credentials are sealed under key {key_id}.", style="bold green")
        say(f"Back up {settings.key_file}, and destroy old backups of it when no old database backup needs them.")


async def _rotate(settings: Settings) -> tuple[int, str]:
    """Run the keeper's rotation, with the embedded PostgreSQL started for it where that is used."""
    server: EmbeddedServer | None = None
    try:
        if settings.database_url is None:
            note("Starting PostgreSQL …")
            server = await start_embedded(settings)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "isthmus.keeper", "rotate"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=without_owner(os.environ),
        )
        output, errors = await process.communicate()
        return process.returncode or 0, (output or errors).decode(errors="replace").strip()
    finally:
        if server is not None:
            await server.stop()
