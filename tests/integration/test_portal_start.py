"""How the portal's process begins: what it cannot use it says in one line, with the remedy, and status 2."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def _start(**environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}
    return subprocess.run(
        [sys.executable, "-m", "isthmus.portal"],
        env={**kept, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _places(folder: Path) -> dict[str, str]:
    return {"ISTHMUS_HOME": str(folder / "h"), "ISTHMUS_SECRETS_DIR": str(folder / "s")}


def test_a_port_in_use_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = _start(**_places(tmp_path), ISTHMUS_PORT=str(taken.getsockname()[1]))
    assert ended.returncode == 2
    assert "is in use by another program" in ended.stderr
    assert "ISTHMUS_PORT" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("environ", "named"),
    [({"ISTHMUS_PORT": "none"}, "ISTHMUS_PORT"), ({"ISTHMUS_BIND": "203.0.113.9"}, "ISTHMUS_BIND")],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, environ: dict[str, str], named: str) -> None:
    ended = _start(**{**_places(tmp_path), **environ})
    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr
