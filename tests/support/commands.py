"""Running `isthmus` commands as real processes, and judging how they say no."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.orgsim import Orgsim

ISTHMUS = str(Path(sys.executable).with_name("isthmus"))
TIMEOUT_S = 90


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def refusal(self) -> str:
        """Return the refusal's text, judged: status 2, one valid JSON object, both halves, the same on both streams."""
        assert self.status == 2, (self.status, self.out, self.err)
        assert "Traceback" not in self.err
        told = self.json
        assert told["error"].rstrip()
        assert told["remedy"].rstrip()
        assert "fault of its own" not in told["error"]
        return f"{told['error']} {told['remedy']}"


def run(*arguments: str, environ: Mapping[str, str], stdin: str = "") -> Said:
    """Run one command to its end."""
    done = subprocess.run(
        [ISTHMUS, *arguments], env=dict(environ), input=stdin.encode(), capture_output=True, timeout=TIMEOUT_S, check=False
    )  # fmt: skip
    said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in said.out + said.err, said.err
    return said


def bare_environ(place: Path) -> dict[str, str]:
    """Return an environment of its own: no setting of the caller's, loopback orgs admitted."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")},
        "ISTHMUS_HOME": str(place / "h"),
        "ISTHMUS_SECRETS_DIR": str(place / "s"),
        "ISTHMUS_ALLOW_LOOPBACK_HTTP": "1",
    }


def org_environ(name: str, org: Orgsim, token: str | None = None) -> dict[str, str]:
    """Return what names an org to a headless command."""
    key = f"ISTHMUS_ORG_{name.upper()}"
    return {f"{key}_INSTANCE_URL": org.instance_url, f"{key}_ACCESS_TOKEN": token or org.access_token}
