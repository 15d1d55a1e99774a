"""`isthmus demo`: both jobs for real, on two simulated orgs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click


@click.command(name="demo")
@click.option("--exit", "ends", is_flag=True, help="End by itself instead of leaving the portal open.")
@click.option("--port", type=click.IntRange(1, 65535), default=8700, show_default=True, help="The portal's port.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for the reports.",
)
@click.pass_context
def command(ctx: click.Context, port: int, out: Path, *, ends: bool) -> None:
    """Start two simulated orgs and the whole product; connect, audit, sync, change rows, sync again.

    Exit status 0 only if every target row equals its mapped source row and the report exists.

    \b
    Examples:
      isthmus demo
      isthmus demo --exit
    """
    # A process of its own: the demo acts as a user's browser, and no part of the product may.
    arguments = [sys.executable, "-m", "isthmus.demo", "--port", str(port), "--out", str(out)]
    if ends:
        arguments.append("--exit")
    process = subprocess.Popen(arguments)
    while True:
        try:
            ctx.exit(process.wait())
        except KeyboardInterrupt:  # the terminal sent it to the demo as well, which ends in order
            continue
