"""The mark `fact("id", ...)` on orgsim's tests: checked against the fact files, counted in the test report."""

from __future__ import annotations

from collections import Counter

import pytest

from orgsim.facts import load_facts

_SOURCES = {fact.id: fact.source for fact in load_facts()}
_TALLY = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", "fact(id, ...): the facts of orgsim that a test rests on")
    config.stash[_TALLY] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count tests by the weakest source among their facts; an id that no fact has ends the run."""
    tally = config.stash[_TALLY]
    tally.clear()
    for item in items:
        named = [name for mark in item.iter_markers("fact") for name in mark.args]
        unknown = sorted(set(named) - set(_SOURCES))
        if unknown:
            message = f"{item.nodeid}: no fact is called {', '.join(unknown)}"
            raise pytest.UsageError(message)
        sources = {_SOURCES[name] for name in named}
        weakest = next((source for source in ("assumed", "documented", "recorded") if source in sources), None)
        if weakest is not None:
            tally[weakest] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many of the marked tests rest on assumptions."""
    tally = config.stash[_TALLY]
    if tally:
        counts = ", ".join(f"{tally[source]} {source}" for source in ("recorded", "documented", "assumed"))
        terminalreporter.write_line(f"orgsim: marked tests by the weakest source of their facts: {counts}")
