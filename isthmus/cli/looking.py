"""`isthmus sync inspect`: rows that fail, shown once to whoever asks; the key to them lives in this process only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import msgspec
from rich.markup import escape

from isthmus.cli.commands.budget import local
from isthmus.cli.output import print_table, say
from isthmus.sync.flow.shown import ShownChange, ShownPair, ShownRow
from isthmus.sync.inspecting.looks import Looked, OpenWindow, looked, request_look
from isthmus.sync.inspecting.relay import waiting
from isthmus.sync.inspecting.viewing import Viewer
from isthmus.values import SyncId
from isthmus.wiring.installation import Installation


@dataclass(frozen=True, slots=True)
class Seen:
    """What was shown: rows for the eyes of the caller, never to be kept."""

    window: OpenWindow
    rows: tuple[ShownRow, ...]
    pairs: tuple[ShownPair, ...]
    looked: Looked

    @classmethod
    def of(cls, window: OpenWindow, shown: Sequence[ShownRow | ShownPair], looked: Looked) -> Seen:
        """Sort what was shown into rows and pairs."""
        rows = tuple(each for each in shown if isinstance(each, ShownRow))
        return cls(window, rows, tuple(each for each in shown if isinstance(each, ShownPair)), looked)

    def __repr__(self) -> str:
        """Show the count only."""
        return f"<Seen {len(self.rows)} rows and {len(self.pairs)} pairs>"


async def look_at(installation: Installation, sync: SyncId, *, rows_max: int, window: UUID | None) -> Seen:
    """Look at failing rows. Raises `SyncProblem` if there is nothing to see, `WorkerGone`, `LookBroken`."""
    viewer, look = Viewer(), uuid4()
    async with waiting(installation.settings.run_dir, look) as relay:
        async with installation.transaction() as tx:
            found = await request_look(tx, sync, look, viewer=viewer.public, rows_max=rows_max, window=window)
        result = await looked(relay)
    shown = viewer.open(look, result.sealed, whole=result.message is None)
    return Seen.of(found, tuple(shown), result)


def print_seen(title: str, seen: Seen) -> None:
    """Show the rows to a person."""
    end = seen.looked.end
    say(f"{title}: {end.rows_tried:,} rows tried once more, {end.rows_failed:,} of them fail", style="bold")
    for pair in seen.pairs:
        print_pair(pair)
    for number, row in enumerate(seen.rows, start=1):
        blamed = f" ({', '.join(row.fields)})" if row.fields else ""
        say(f"{number}. {row.code}{blamed}", style="yellow")
        if row.message:
            say(f"   {plain(row.message)}")
        for name, value in row.values.items():
            say(f"   {name} = {'null' if value is None else plain(value)}", style="dim")
    if seen.pairs:
        say("`isthmus sync decide` asks for a decision of each, or edit the record on one side so that both are alike.")
    if not seen.rows and not seen.pairs and seen.looked.message is None:
        say("Every row of the window is in order now; the next run settles it.")
    if seen.looked.message is not None:
        say(seen.looked.message, style="red")


def print_pair(pair: ShownPair) -> None:
    """Show both records of a held conflict, what differs first."""

    def text(value: str | None) -> str:
        return "" if value is None else escape(plain(value))

    def head(name: str, change: ShownChange) -> str:
        who = "our integration user" if change.ours else "somebody else"
        return f"{name}\nchanged {local(change.at)}\nby {who}"

    rows = [
        (
            "≠" if field.differs else "",
            field.source if field.source == field.target else f"{field.source} / {field.target}",
            text(field.source_value),
            text(field.target_value),
        )
        for field in pair.fields
    ]
    heads = (
        head(f"source {pair.source_object}", pair.source_change),
        head(f"target {pair.target_object}", pair.target_change),
    )
    print_table(f"{pair.number}. Both records were changed", ("", "field", *heads), rows)
    if not pair.decidable:
        say("Not tied together yet: make them alike in one of the orgs.", style="dim")


def plain_seen(title: str, seen: Seen) -> dict[str, object]:
    """Return the rows for a program."""
    end = seen.looked.end
    return {
        "name": title,
        "window": {
            "id": str(seen.window.id),
            "step": seen.window.step,
            "since": seen.window.since.isoformat() if seen.window.since else None,
            "until": seen.window.until.isoformat(),
        },
        "rows_tried": end.rows_tried,
        "rows_failed": end.rows_failed,
        "message": seen.looked.message,
        "api_calls": {"source": end.calls_source, "target": end.calls_target},
        "rows": _rows(seen.rows),
        "pairs": msgspec.to_builtins(seen.pairs),
    }


def _rows(rows: Sequence[ShownRow]) -> list[dict[str, object]]:
    return [
        {"code": row.code, "fields": list(row.fields), "message": row.message, "values": row.values} for row in rows
    ]


def plain(text: str) -> str:
    """Return an org's text as a terminal may show it: control characters as escapes, so that it cannot play tricks."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
