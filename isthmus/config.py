"""Settings, read once from the environment into frozen values. Nothing else in the product reads the environment.

| variable | meaning | default |
|---|---|---|
| `ISTHMUS_HOME` | state of this installation: embedded database, sockets, logs | `~/.local/share/isthmus` |
| `ISTHMUS_SECRETS_DIR` | key file, ticket key, database passwords; never inside `ISTHMUS_HOME` | `~/.config/isthmus` |
| `ISTHMUS_KEY_FILE` | the key-encryption key, 32 random bytes, mode 0600 | `<secrets dir>/key` |
| `ISTHMUS_DATABASE_URL` | an own PostgreSQL >= 15 instead of the embedded one (owner's address) | embedded |
| `ISTHMUS_PORT` | the portal's port on `ISTHMUS_BIND` | 8700 |
| `ISTHMUS_BIND` | the address that the portal listens on | 127.0.0.1 |
| `ISTHMUS_PUBLIC_URL` | the portal's address as browsers see it | `http://<bind>:<port>` |
| `ISTHMUS_ALLOW_LOOPBACK_HTTP` | `1` admits plain http to loopback addresses (emulator, demo) | off |
| `ISTHMUS_ALLOW_NO_SANDBOX` | `1` goes on where the kernel cannot lock the mover down: a withdrawn promise | off |
| `ISTHMUS_NOTICES_FILE` | to whom notices go, see docs/notices.md; mode 0600 | `<secrets dir>/notices.yaml` |
| `ISTHMUS_SMTP_URL` | the mail server, where the file of notices does not name it | none |
| `ISTHMUS_CA_FILE` | further certificate authorities to trust, PEM | none |
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

PORT_DEFAULT: Final = 8700
PORT_MAX: Final = 65535


class SettingsInvalid(Exception):
    """A setting that cannot be used; the message names the variable and the remedy."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the operator decides."""

    home: Path
    secrets_dir: Path
    key_file: Path
    database_url: str | None
    bind: str
    port: int
    public_url: str
    allow_loopback_http: bool
    allow_no_sandbox: bool
    ca_file: Path | None
    notices_file: Path
    smtp_url: str | None = field(default=None, repr=False)

    @property
    def data_dir(self) -> Path:
        """Where the embedded PostgreSQL keeps its files."""
        return self.home / "postgres"

    @property
    def run_dir(self) -> Path:
        """Unix sockets of PostgreSQL and keeper; mode 0700."""
        return self.home / "run"

    @property
    def log_dir(self) -> Path:
        """Journals of the processes, one file each."""
        return self.home / "log"

    @property
    def ticket_key_file(self) -> Path:
        """The key that signs tenant tickets; another key than the key-encryption key."""
        return self.secrets_dir / "ticket-key"

    @property
    def mask_key_file(self) -> Path:
        """The key of masks' pseudonyms; with another one, all pseudonyms are others."""
        return self.secrets_dir / "mask-key"

    @property
    def keeper_portal_socket(self) -> Path:
        """Where keeper answers portal and cli."""
        return self.run_dir / "keeper-portal.sock"

    @property
    def keeper_worker_socket(self) -> Path:
        """Where keeper answers worker."""
        return self.run_dir / "keeper-worker.sock"

    def passfile(self, role: str) -> Path:
        """The libpq password file of one database role."""
        return self.secrets_dir / f"{role}.pgpass"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings of `environ`, or raise `SettingsInvalid` naming the variable and what to do."""
    user_home = Path(environ.get("HOME") or _home_of_account())
    home = Path(environ.get("ISTHMUS_HOME") or user_home / ".local/share/isthmus").absolute()
    secrets_dir = Path(environ.get("ISTHMUS_SECRETS_DIR") or user_home / ".config/isthmus").absolute()
    key_file = Path(environ.get("ISTHMUS_KEY_FILE") or secrets_dir / "key").absolute()
    for variable, place in (("ISTHMUS_SECRETS_DIR", secrets_dir), ("ISTHMUS_KEY_FILE", key_file)):
        if place.resolve().is_relative_to(home.resolve()):
            message = (
                f"{variable} lies inside ISTHMUS_HOME ({home}): a backup of the data would carry its own key. "
                f"Set {variable} to a place outside it."
            )
            raise SettingsInvalid(message)
    bind = environ.get("ISTHMUS_BIND") or "127.0.0.1"
    port = _port(environ.get("ISTHMUS_PORT") or str(PORT_DEFAULT))
    return Settings(
        home=home,
        secrets_dir=secrets_dir,
        key_file=key_file,
        database_url=environ.get("ISTHMUS_DATABASE_URL") or None,
        bind=bind,
        port=port,
        public_url=_public_url(environ.get("ISTHMUS_PUBLIC_URL") or _origin(bind, port)),
        allow_loopback_http=_switch(environ, "ISTHMUS_ALLOW_LOOPBACK_HTTP"),
        allow_no_sandbox=_switch(environ, "ISTHMUS_ALLOW_NO_SANDBOX"),
        ca_file=Path(environ["ISTHMUS_CA_FILE"]).absolute() if environ.get("ISTHMUS_CA_FILE") else None,
        notices_file=Path(environ.get("ISTHMUS_NOTICES_FILE") or secrets_dir / "notices.yaml").absolute(),
        smtp_url=environ.get("ISTHMUS_SMTP_URL") or None,
    )


def _home_of_account() -> str:
    """Return the home folder that the system knows: services are started without HOME."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # an account that is only a number, as in containers
        return "/"


def _origin(bind: str, port: int) -> str:
    host = f"[{bind}]" if ":" in bind else bind
    return f"http://{host}:{port}"


def _public_url(text: str) -> str:
    """Return an origin: it is compared with what browsers send, and callbacks are made of it."""
    url = text.rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    else:
        usable = usable and url == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        message = (
            "ISTHMUS_PUBLIC_URL is not the address of a site. "
            "Set it to scheme and host without a path, for example https://isthmus.example.com"
        )
        raise SettingsInvalid(message)
    return url


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) <= PORT_MAX:
        message = "ISTHMUS_PORT is not a port number. Set it to a number from 1 to 65535, for example 8700."
        raise SettingsInvalid(message)
    return int(text)


def _switch(environ: Mapping[str, str], variable: str) -> bool:
    text = environ.get(variable, "")
    if text not in {"", "0", "1"}:
        message = f"{variable} is neither 1 nor 0. Set it to 1 to switch it on, or remove it."
        raise SettingsInvalid(message)
    return text == "1"
