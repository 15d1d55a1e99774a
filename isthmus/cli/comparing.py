"""`isthmus sync compare`: two orgs' schemas beside each other, of orgs from the environment or connected ones."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import msgspec

from isthmus.cli.headless import find_org
from isthmus.cli.output import print_table, refuse, say
from isthmus.cli.running import judged_host, settings_here, with_installation
from isthmus.cli.syncs import POLL_S, SCHEMA_WAIT_S, pair_of
from isthmus.sync.copy import CopyOrg
from isthmus.sync.definitions import SchemaPending
from isthmus.sync.planning import comparing
from isthmus.sync.planning.compare import Comparison, ObjectComparison
from isthmus.sync.planning.schemas import SchemaUnread
from isthmus.values import Alias, ConnectionId
from isthmus.wiring.installation import Installation

NAMES_SHOWN = 40


def compared(source: Alias, target: Alias, objects: Sequence[str], tenant: str | None) -> Comparison:
    """Compare two orgs: by their tokens if the environment has both, else as the installation here knows them."""
    try:
        pairs = comparing.parse_pairs(objects)
    except comparing.BadPair as bad:
        what, _, remedy = str(bad).partition(". ")
        refuse(f"{what}.", remedy)
    given = [find_org(name, os.environ, None) for name in (source, target)]
    if given[0] is None or given[1] is None:
        return with_installation(lambda installation: _connected(installation, (source, target), pairs), tenant)
    settings = settings_here()
    orgs = [CopyOrg(judged_host(org, settings), org.token) for org in given if org is not None]
    try:
        return asyncio.run(comparing.compare_once(orgs[0], orgs[1], pairs, settings=settings))
    except SchemaUnread as unread:
        what, _, remedy = str(unread).partition(". ")
        refuse(f"{what}.", remedy)


async def _connected(
    installation: Installation, names: tuple[Alias, Alias], pairs: Sequence[tuple[str, str]]
) -> Comparison:
    async with installation.transaction() as tx:
        source, target = map(ConnectionId, await pair_of(tx, *names))
        await comparing.ask(tx, source, target, pairs)
    deadline = installation.clock.monotonic_s() + SCHEMA_WAIT_S
    while True:
        async with installation.transaction() as tx:
            try:
                return await comparing.compared(tx, source, target, pairs)
            except SchemaPending:
                if installation.clock.monotonic_s() > deadline:
                    raise
        await asyncio.sleep(POLL_S)


def print_comparison(comparison: Comparison) -> None:
    """Print it for a person."""
    say(f"{comparison.objects_both:,} objects are in both orgs")
    for side, names in (("source", comparison.objects_only_source), ("target", comparison.objects_only_target)):
        if names:
            shown = ", ".join(names[:NAMES_SHOWN]) + (" …" if len(names) > NAMES_SHOWN else "")
            say(f"{len(names):,} only in the {side}: {shown}", style="yellow")
    for pair in comparison.pairs:
        _print_pair(pair)
    if not comparison.pairs:
        say("Name objects with --object to compare their fields.", style="dim")


def _print_pair(pair: ObjectComparison) -> None:
    title = pair.source if pair.source == pair.target else f"{pair.source} → {pair.target}"
    if pair.missing is not None:
        say(f"{title}: the connected user does not see it in the {pair.missing} org", style="bold red")
        return
    if pair.same:
        say(f"{title}: {pair.fields_same:,} fields, no difference", style="green")
        return
    rows = [(each.field, each.what, each.source, each.target) for each in pair.differences]
    for what, source, target in (
        ("field", pair.fields_only_source, pair.fields_only_target),
        ("record type", pair.record_types_only_source, pair.record_types_only_target),
    ):
        rows += [(name, f"{what} is there only once", "yes", "no") for name in source]
        rows += [(name, f"{what} is there only once", "no", "yes") for name in target]
    print_table(f"{title}: {pair.fields_same:,} fields are the same", ("name", "what", "source", "target"), rows)


def plain_comparison(comparison: Comparison) -> dict[str, object]:
    """Return it for machines."""
    return {"same": comparison.same, **msgspec.to_builtins(comparison)}
