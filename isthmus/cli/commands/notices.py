"""`isthmus notices`: to whom failures, recoveries and digests are told, and whether that works."""

from __future__ import annotations

import asyncio

import click

from isthmus.cli.output import EXIT_DONE, EXIT_PARTIAL, print_json, print_table, refuse, say
from isthmus.cli.running import settings_here
from isthmus.clock import SystemClock
from isthmus.egress.outside import OutsideDialer
from isthmus.egress.tls import NoRoots, tls_context
from isthmus.notices.channels import Channel, Channels, ChannelsRefused, load_channels
from isthmus.notices.model import Notice
from isthmus.notices.sending import Sender, Sent
from isthmus.values import Secret

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(name="notices")
def command() -> None:
    """Show and test the channels of the operator's file (ISTHMUS_NOTICES_FILE).

    \b
    Examples:
      isthmus notices list
      isthmus notices test
    """


@command.command(name="list")
@_JSON
def list_command(*, as_json: bool) -> None:
    """List the channels. Addresses of webhooks are secrets and are not shown.

    \b
    Example:
      isthmus notices list
    """
    listed = _channels().channels
    if as_json:
        print_json([_plain(channel) for channel in listed])
    elif not listed:
        say(f"No channel is named. {_how_to_name_one()}")
    else:
        head = ("channel", "kind", "told of", "digest", "audits", "tenant")
        rows = [
            (c.name, c.kind.value, ", ".join(sorted(c.events)), c.digest or "none", _audits(c), c.tenant or "all")
            for c in listed
        ]
        print_table("Channels", head, rows)


@command.command()
@click.argument("names", nargs=-1, metavar="[CHANNEL]...")
@_JSON
@click.pass_context
def test(ctx: click.Context, names: tuple[str, ...], *, as_json: bool) -> None:
    """Send a test notice by the named channels, or by all. Exit status 1 if one of them does not take it.

    \b
    Example:
      isthmus notices test chat
    """
    channels = _channels()
    if not channels.channels:
        refuse("No channel is named.", _how_to_name_one())
    wanted = [channel for channel in channels.channels if not names or channel.name in names]
    if len(wanted) < len(set(names)):
        refuse("There is no such channel.", "`isthmus notices list` shows those that exist.")
    results = asyncio.run(_send(channels, wanted))
    if as_json:
        print_json([{"channel": name, "ok": result is Sent.OK, "result": result.value} for name, result in results])
    else:
        for name, result in results:
            say(f"{name}: {result.value}", style="green" if result is Sent.OK else "bold red")
    ctx.exit(EXIT_DONE if all(result is Sent.OK for _, result in results) else EXIT_PARTIAL)


def _how_to_name_one() -> str:
    return f"Write {settings_here().notices_file}; docs/notices.md says how."


def _channels() -> Channels:
    settings = settings_here()
    try:
        return load_channels(settings.notices_file, Secret(settings.smtp_url) if settings.smtp_url else None)
    except ChannelsRefused as refused:
        what, _, remedy = str(refused).partition(". ")
        refuse(f"{what}.", remedy)


async def _send(channels: Channels, wanted: list[Channel]) -> list[tuple[str, Sent]]:
    settings, clock = settings_here(), SystemClock()
    try:
        sender = Sender(channels, OutsideDialer(), tls_context(settings.ca_file), clock)
    except NoRoots as missing:
        refuse(str(missing), "See `isthmus doctor`.")
    notice = Notice(
        subject="Isthmus: a test",
        text="This channel is told of syncs (when one fails, when it works again, digests) and of audits.",
        link=settings.public_url,
        key=f"test-{clock.now().isoformat()}",
        event="test",
    )
    return [(channel.name, await sender.send(channel, notice)) for channel in wanted]


def _plain(channel: Channel) -> dict[str, object]:
    return {
        "name": channel.name,
        "kind": channel.kind.value,
        "events": sorted(channel.events),
        "digest": channel.digest,
        "tenant": channel.tenant,
        "audit": {
            "orgs": sorted(channel.audit.orgs),
            "attach": list(channel.audit.attach),
            "results": channel.audit.results,
            "manual": channel.audit.manual,
            "monthly": channel.audit.monthly,
        },
    }


def _audits(channel: Channel) -> str:
    wish = channel.audit
    if "audit" not in channel.events:
        return "failures" if "failure" in channel.events else "none"
    parts = [", ".join(sorted(wish.orgs)) or "all orgs"]
    if not wish.results:
        parts.append("no results")
    parts += list(wish.attach)
    if wish.manual:
        parts.append("manual")
    if wish.monthly is not None:
        parts.append(f"summary on day {wish.monthly}")
    return ", ".join(parts)
