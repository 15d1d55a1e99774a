"""Fixtures that several folders share: a real PostgreSQL, a real orgsim; and the mark for orgsim's facts."""

from __future__ import annotations

from importlib.util import find_spec

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
