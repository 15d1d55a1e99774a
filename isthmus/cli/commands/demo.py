"""`isthmus demo`: both jobs for real, on two simulated orgs."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Final

import click

from isthmus.cli.listening import refuse_port_in_use
from isthmus.config import PORT_DEFAULT, PORT_MAX

BIND: Final = "127.0.0.1"
UNPRIVILEGED_FROM: Final = 1024


@click.command(name="demo")
@click.option("--exit", "ends", is_flag=True, help="End by itself instead of leaving the portal open.")
@click.option(
    "--port", type=click.IntRange(1, PORT_MAX), default=PORT_DEFAULT, show_default=True, help="The portal's port."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for the reports.",
)
def command(port: int, out: Path, *, ends: bool) -> None:
    """Start two simulated orgs and the whole product; connect, audit, sync, change rows, sync again.

    Exit status 0 only if every target row equals its mapped source row and the report exists.

    \b
    Examples:
      isthmus demo
      isthmus demo --exit
    """
    another = f"isthmus demo --port {port + 1 if UNPRIVILEGED_FROM <= port < PORT_MAX else PORT_DEFAULT}"
    refuse_port_in_use(BIND, port, another=another, elsewhere=f"Choose a port that you may use: {another}")
    _refuse_folder(out)
    # Another program: the demo acts as a user's browser, and no part of the product may.
    arguments = [sys.executable, "-m", "isthmus.demo", "--port", str(port), "--out", str(out)]
    if ends:
        arguments.append("--exit")
    sys.stdout.flush()
    # Not as a child: who ends this process ends the demo with all that it started.
    os.execv(sys.executable, arguments)  # noqa: S606 -- our own interpreter, no shell wanted


def _refuse_folder(out: Path) -> None:
    """Make the folder of the reports now: half a minute later is late to hear that it cannot be written."""
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(out))
