"""Fixtures that several folders share: a real PostgreSQL, a real orgsim; and the mark for orgsim's facts."""

from __future__ import annotations

import signal
from importlib.util import find_spec

# A shell that runs the tests in the background ignores Ctrl-C for all it starts, and what is ignored stays so in every
# child; the tests of Ctrl-C need processes that were started as in a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    name
    for name in (
        "tests.support.postgres",
        "tests.support.orgsim",
        "tests.support.keeper",
        "tests.support.facts",
        "tests.support.npm",
    )
    if find_spec(name)
]
