"""The command line: `orgsim serve` and `orgsim facts`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import ipaddress
import json
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from orgsim.control import Control
from orgsim.emulator import Emulator, Options, checked_switches
from orgsim.generate.profiles import PROFILES, UnknownProfile
from orgsim.loading import LoadFault
from orgsim.oauth.people import PASSWORD
from orgsim.server import Front, server_log
from orgsim.tls import CA_FILE, server_context
from orgsim.whims import LEVELS

EXIT_DONE: Final = 0
EXIT_UNUSABLE: Final = 2
_BACKLOG: Final = 512
_LINE_BYTES_MAX: Final = 65_536  # beyond what an org takes, so that it is the org that refuses
_SHUTDOWN_S: Final = 0.5
_EXAMPLES: Final = """\
examples:
  orgsim serve --port 8080 --control-port 8081
  orgsim serve --port 0 --control-port 0 --name acme --profile empty --rows Account=500,Contact=2000
  orgsim serve --port 8443 --control-port 8081 --tls ./ca        clients trust ./ca/ca.pem
  orgsim serve --port 8080 --control-port 8081 --whims hostile --seed 7
  orgsim facts

serve prints one JSON line when it is ready: instance_url, control_url, client_id, username, access_token, ...
Every user's password is "orgsim". Nothing is stored; when the process ends, the org is gone.
"""


class _Unusable(Exception):
    """The command cannot be carried out; `why` says what to do."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 2 unusable."""
    options = _parser().parse_args(argv)
    try:
        if options.command == "facts":
            return _facts()
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(options))
    except _Unusable as problem:
        sys.stderr.write(f"orgsim: {problem.why}\n")
        return EXIT_UNUSABLE
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orgsim",
        description="A Salesforce API emulator for tests. It is not Salesforce and keeps nothing.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="serve|facts")
    serve = commands.add_parser(
        "serve", help="run one simulated org", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    serve.add_argument("--port", type=int, required=True, help="port of the API; 0 takes a free one")
    serve.add_argument("--control-port", type=int, required=True, help="port of the control API; 0 takes a free one")
    serve.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default 127.0.0.1)")
    serve.add_argument("--name", default="orgsim", help="name of the org; ids and user names follow from it")
    serve.add_argument("--profile", choices=PROFILES, default="demo", help="what the org holds (default demo)")
    serve.add_argument("--rows", type=_rows, default={}, help="row counts, e.g. Account=10000,Contact=30000")
    serve.add_argument("--seed", type=int, default=1, help="seed of generated data, faults and whims (default 1)")
    serve.add_argument("--whims", choices=tuple(LEVELS), default="off", help="how moody the service is (default off)")
    serve.add_argument("--tls", type=Path, metavar="DIR", help=f"serve https; authority and keys in DIR ({CA_FILE})")
    serve.add_argument("--instance-url", help="what clients are told the org's address is (default: the real one)")
    serve.add_argument(
        "--redirect-uri", action="append", default=[], help="another callback of the default app; may be repeated"
    )
    serve.add_argument("--api-limit", type=int, default=100_000, help="API calls per day (default 100000)")
    serve.add_argument(
        "--load", type=Path, metavar="DIR", help="describes and records from files, see orgsim/loading.py"
    )
    serve.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting at the start; may be repeated"
    )
    commands.add_parser("facts", help="count the emulated facts by source")
    return parser


def _rows(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        if not name.strip() or not number.strip().isdigit():
            message = f"{part!r} is not of the form Object=number"
            raise argparse.ArgumentTypeError(message)
        counts[name.strip()] = int(number)
    return counts


def _facts() -> int:
    from orgsim.facts import FactFault, counts, load_facts  # noqa: PLC0415  # serving does not need the fact files

    try:
        found = counts(load_facts())
    except FactFault as fault:
        raise _Unusable(str(fault)) from None
    for source, count in found.items():
        sys.stdout.write(f"{source:12} {count:5} {100 * count / max(1, found['total']):6.1f} %\n")
    return EXIT_DONE


async def _serve(given: argparse.Namespace) -> None:
    _only_loopback(given.host)
    api, control = _bound(given.host, given.port, "--port"), _bound(given.host, given.control_port, "--control-port")
    tls = _tls(given.tls)
    shown = "localhost" if tls is not None else _bracketed(given.host)
    instance_url = given.instance_url or f"{'https' if tls else 'http'}://{shown}:{api.getsockname()[1]}"
    try:
        switches = checked_switches(dict(text.partition("=")[::2] for text in given.set))
    except ValueError as problem:
        why = f"--set: {problem}"
        raise _Unusable(why) from None
    options = Options(
        name=given.name,
        profile=given.profile,
        rows=given.rows,
        seed=given.seed,
        whims=given.whims,
        redirect_uris=tuple(given.redirect_uri),
        api_requests_per_day=given.api_limit,
        load=given.load,
        switches=switches,
    )
    try:
        emulator = Emulator(options, instance_url)
    except (UnknownProfile, LoadFault) as problem:
        raise _Unusable(str(problem)) from None
    front = web.AppRunner(
        Front(emulator).application(),
        auto_decompress=False,
        access_log=None,
        logger=server_log(),
        shutdown_timeout=_SHUTDOWN_S,
        max_line_size=_LINE_BYTES_MAX,
        max_field_size=_LINE_BYTES_MAX,
    )
    desk = web.AppRunner(Control(emulator).application(), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        for runner, sock, context in ((front, api, tls), (desk, control, None)):
            await runner.setup()
            await web.SockSite(runner, sock, ssl_context=context, backlog=_BACKLOG).start()
        control_url = f"http://{_bracketed(given.host)}:{control.getsockname()[1]}"
        scheme = "https" if tls is not None else "http"
        _announce(emulator, control_url, f"{scheme}://{_bracketed(given.host)}:{api.getsockname()[1]}")
        await stop.wait()
    finally:
        await emulator.close()
        await front.cleanup()
        await desk.cleanup()


def _announce(emulator: Emulator, control_url: str, listening: str) -> None:
    line = {
        "instance_url": emulator.instance_url,
        "control_url": control_url,
        "client_id": emulator.client_id,
        "client_secret": None,
        "username": emulator.seeded.admin_username,
        "password": PASSWORD,
        "access_token": emulator.new_access_token(),
        "listening": listening,
        "org_id": emulator.org.id18,
        "name": emulator.options.name,
        "seed": emulator.options.seed,
        "whims": emulator.options.whims,
        "reader_username": emulator.seeded.reader_username,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _only_loopback(host: str) -> None:
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback:
        why = f"--host {host} is not a loopback address. An emulator with public passwords serves this machine only."
        raise _Unusable(why)


def _bound(host: str, port: int, flag: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as problem:
        sock.close()
        if isinstance(problem, OSError) and problem.errno == errno.EADDRINUSE:
            why = f"port {port} is in use; choose another with {flag}, or 0 for a free one"
        else:
            why = f"cannot listen on port {port}; choose another with {flag}, or 0 for a free one"
        raise _Unusable(why) from None
    return sock


def _tls(folder: Path | None) -> ssl.SSLContext | None:
    if folder is None:
        return None
    try:
        return server_context(folder)
    except (OSError, TypeError) as problem:
        why = f"--tls {folder}: {problem}"
        raise _Unusable(why) from None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    sys.exit(main())
