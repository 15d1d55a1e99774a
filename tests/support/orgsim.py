"""Starting real orgsim processes for tests, and talking to their control ports."""

from __future__ import annotations

import atexit
import gzip
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import pytest

from tests.support.orgsim_nursery import Nursery, Nursling, can_fork

ROOT = Path(__file__).parents[2]
STOP_TIMEOUT_S = 10
CALL_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Orgsim:
    """One running emulator. `ready` is its whole ready line; `process` None means it runs in this process."""

    instance_url: str
    control_url: str
    client_id: str
    username: str
    password: str
    access_token: str
    ready: Mapping[str, Any] = field(repr=False)
    process: Nursling | subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Call the control port; returns the decoded answer, raises urllib.error.HTTPError for refusals."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control_url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=CALL_TIMEOUT_S) as answer:
            return json.loads(answer.read() or b"null")

    def rows(self, object_name: str) -> list[dict[str, Any]]:
        """Return all rows of an object."""
        return self.control("GET", f"/rows/{object_name}")

    def add_rows(self, object_name: str, rows: Sequence[Mapping[str, object]]) -> list[str]:
        """Store rows without any rule; returns their ids."""
        return self.control("POST", f"/rows/{object_name}", list(rows))["ids"]

    def transcript(self) -> list[dict[str, Any]]:
        """Return all calls so far."""
        return self.control("GET", "/transcript")

    def call(
        self, method: str, path: str, body: object = None, *, token: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Call the org's API with the ready line's token; returns status, lower-case headers and decoded body."""
        return call(
            self.instance_url, method, path, body, token=self.access_token if token is None else token, **headers
        )


def call(
    base: str, method: str, path: str, body: object = None, *, token: str = "", **headers: str
) -> tuple[int, dict[str, str], Any]:
    """Make one plain HTTP call; JSON bodies are encoded and decoded, bytes and text are left alone."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=CALL_TIMEOUT_S) as answer:
            return answer.status, _lower(answer.headers), _decoded(answer.headers, answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, _lower(refused.headers), _decoded(refused.headers, refused.read())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _decoded(headers: Any, raw: bytes) -> Any:
    if headers.get("Content-Encoding") == "gzip":
        raw = gzip.decompress(raw)
    if raw and headers.get_content_type() == "application/json":
        return json.loads(raw)
    if headers.get_content_maintype() == "text" or headers.get_content_type().endswith("urlencoded"):
        return raw.decode()
    return raw


@contextmanager
def start_orgsim(
    *,
    name: str = "acme",
    profile: str = "empty",
    rows: Mapping[str, int] | None = None,
    seed: int = 1,
    whims: str = "off",
    tls: Path | None = None,
    port: int = 0,
    more: Sequence[str] = (),
) -> Iterator[Orgsim]:
    """Run `orgsim serve` as a process of its own until the block ends."""
    arguments = ["serve", "--port", str(port), "--control-port", "0"]
    arguments += ["--name", name, "--profile", profile, "--seed", str(seed), "--whims", whims, *more]
    if rows:
        arguments += ["--rows", ",".join(f"{key}={count}" for key, count in rows.items())]
    if tls is not None:
        arguments += ["--tls", str(tls)]
    process, output = _start(arguments)
    with output:
        try:
            line = output.readline()
            assert line, f"orgsim {' '.join(arguments)} ended instead of getting ready"
            ready = json.loads(line)
            yield Orgsim(
                instance_url=ready["instance_url"],
                control_url=ready["control_url"],
                client_id=ready["client_id"],
                username=ready["username"],
                password=ready["password"],
                access_token=ready["access_token"],
                ready=ready,
                process=process,
            )
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_TIMEOUT_S)


def _start(arguments: Sequence[str]) -> tuple[Nursling | subprocess.Popen[bytes], TextIO]:
    """Start `orgsim` as a process of its own; returns it and what it says."""
    reading, writing = os.pipe()
    try:
        if can_fork():
            process = _nursery().start(arguments, writing)
        else:
            process = subprocess.Popen([sys.executable, "-m", "orgsim.cli", *arguments], stdout=writing, cwd=ROOT)
    finally:
        os.close(writing)
    return process, os.fdopen(reading, encoding="utf-8")


@cache
def _nursery() -> Nursery:
    nursery = Nursery()
    atexit.register(nursery.close)
    return nursery


@pytest.fixture
def orgsim() -> Iterator[Orgsim]:
    """An empty org of its own for one test."""
    with start_orgsim() as running:
        yield running
