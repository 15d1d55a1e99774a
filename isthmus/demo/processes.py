"""The programs of the demo: two emulated orgs and the product, each a process of its own, ended together."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

READY_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 30.0


class DidNotStart(Exception):
    """A program of the demo did not start; the message is what it said itself."""


class Ended(Exception):
    """A program of the demo has ended although nobody stopped the demo; the message names it and its last words."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running program of the demo."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def must_run(self) -> None:
        """Raise `Ended` if it does not run any more."""
        status = self.process.poll()
        if status is not None:
            message = f"{self.name} has ended by itself (status {status}). It said: {_last_words(self.log)}"
            raise Ended(message)


@dataclass(frozen=True, slots=True)
class EmulatedOrg:
    """An orgsim process: where it is, and how its administrator logs in."""

    name: str
    instance_url: str
    control_url: str
    client_id: str
    username: str
    password: str
    program: Program | None = None


@contextmanager
def emulated_org(name: str, profile: str, seed: int, callback: str, log: Path) -> Generator[EmulatedOrg]:
    """Run `orgsim serve` until the block ends."""
    arguments = [sys.executable, "-m", "orgsim.cli", "serve", "--port", "0", "--control-port", "0"]
    arguments += ["--name", name, "--profile", profile, "--seed", str(seed), "--redirect-uri", callback]
    with _running(name, arguments, os.environ, log) as (ready, program):
        yield EmulatedOrg(
            name=name,
            instance_url=str(ready["instance_url"]),
            control_url=str(ready["control_url"]),
            client_id=str(ready["client_id"]),
            username=str(ready["username"]),
            password=str(ready.get("password", "orgsim")),
            program=program,
        )


@contextmanager
def product(environ: Mapping[str, str], log: Path) -> Generator[tuple[str, str, Program]]:
    """Run `isthmus up` until the block ends; yields the portal's address, the one-time sign-in link and the program."""
    arguments = [sys.executable, "-m", "isthmus.cli", "up", "--json"]
    with _running("isthmus up", arguments, environ, log) as (ready, program):
        yield str(ready["portal_url"]), str(ready["sign_in_url"]), program


@contextmanager
def _running(
    name: str, arguments: Sequence[str], environ: Mapping[str, str], log: Path
) -> Generator[tuple[dict[str, object], Program]]:
    """Start a program, wait for the one JSON line that says that it is ready, and end it with the block."""
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, env=dict(environ)
        )
    try:
        yield _ready_line(process, log), Program(name, process, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _ready_line(process: subprocess.Popen[bytes], log: Path) -> dict[str, object]:
    stdout = process.stdout
    if stdout is None:
        message = "the program has no output"
        raise DidNotStart(message)
    received = b""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while b"\n" not in received:
        readable, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(stdout.fileno(), 65536) if readable else b""
        if not chunk:
            process.kill()
            raise DidNotStart(_last_words(log))
        received += chunk
    ready: dict[str, object] = json.loads(received.partition(b"\n")[0])
    if "error" in ready:
        message = f"{ready['error']} {ready.get('remedy', '')}"
        raise DidNotStart(message)
    return ready


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " ".join(line.strip() for line in lines[-2:]) or "nothing"
