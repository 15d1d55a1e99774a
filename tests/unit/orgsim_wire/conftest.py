from __future__ import annotations

from collections.abc import Iterator

import pytest

from orgsim.emulator import Emulator, Options
from tests.support.orgsim import Orgsim, start_orgsim


@pytest.fixture
def emulator() -> Emulator:
    """An org without sockets, fresh for each test."""
    return Emulator(Options(profile="empty"), "http://127.0.0.1:1")


@pytest.fixture(scope="module")
def running() -> Iterator[Orgsim]:
    """One real process for a module's tests."""
    with start_orgsim() as process:
        yield process


@pytest.fixture
def org(running: Orgsim) -> Orgsim:
    """The module's process as it was at the start."""
    running.control("POST", "/reset")
    running.control("DELETE", "/transcript")
    return running
