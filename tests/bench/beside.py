"""The same load by a relay of curls, by `isthmus copy` and by SFDMU from npm, in one run: CPU seconds and peak memory.

    python -m tests.bench --sfdmu [--rows 100000]

`rows` accounts and as many contacts go from one emulated org into another over TLS. Both tools write into an org of
the usual store (SFDMU asks for the ids of what it inserted); orgsim's own CPU counts for nobody. Compare figures of one
run only: the machine's other work is in all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.copying import BOTH, CA_FILE, HEAD, PACKED, PLAIN, REPACKED, Columns, Way, columns_of, relay
from tests.support.npm import Clients, install
from tests.support.orgsim import Orgsim, start_orgsim

ISTHMUS = Path(sys.executable).parent / "isthmus"
SFDMU_RUN_S = 3_600
NAMES = {"Account": "Name", "Contact": "LastName"}
"""What each record of a virtual table is told apart by."""
RELAYS: Mapping[str, Way] = {
    "curl | curl": PLAIN,
    "curl | curl, packed bytes passed on": PACKED,
    "curl | gzip -1 | curl, unpacked and packed": REPACKED,
}


@dataclass(frozen=True)
class Spent:
    """What one way of doing it spent. `peak_bytes` is that of its largest process, None where it was not looked at."""

    what: str
    cpu_s: float
    seconds: float
    peak_bytes: int | None = None


def measure_beside(rows: int) -> list[Spent]:
    """Do the load in every way, one after the other; the first is the plain relay. Raises if a row is missing."""
    install()
    with tempfile.TemporaryDirectory() as place:
        home, tls = Path(place), Path(place) / "tls"
        with start_orgsim(name="from", profile="bench", rows=dict.fromkeys(BOTH, rows), tls=tls) as source:
            with start_orgsim(name="to", seed=2, tls=tls) as target:
                columns = columns_of(BOTH, (source, target), home, tls / CA_FILE)
                copied = _isthmus(source, target, home, tls / CA_FILE)
                _check("isthmus copy", target, rows)
                relays = [relay(columns, (source, target), tls / CA_FILE, way) for way in RELAYS.values()]
            with start_orgsim(name="other", seed=3, tls=tls) as target:
                theirs = _sfdmu(source, target, home, tls / CA_FILE, columns)
                _check("SFDMU", target, rows)
    found = [Spent(what, each.cpu_s, each.seconds) for what, each in zip(RELAYS, relays, strict=True)]
    return [*found, *copied, theirs]


def show_beside(found: Sequence[Spent]) -> None:
    """Print a table; every figure also as a multiple of the first."""
    print(f"{'':46}{'CPU s':>8}{'x relay':>9}{'wall s':>8}{'peak MB':>9}")
    for each in found:
        peak = "" if each.peak_bytes is None else f"{each.peak_bytes / 1e6:.0f}"
        print(f"{each.what:46}{each.cpu_s:8.2f}{each.cpu_s / found[0].cpu_s:9.1f}{each.seconds:8.1f}{peak:>9}")


def _check(who: str, target: Orgsim, rows: int) -> None:
    counts = target.control("GET", "/counts")
    if any(counts[name] != rows for name in BOTH):
        message = f"{who} has not brought all rows: {counts}"
        raise SystemExit(message)


def _isthmus(source: Orgsim, target: Orgsim, home: Path, ca_file: Path) -> list[Spent]:
    """Run the command as a user does, and say what its moving mover and what all of it spent."""
    file = home / "copy.yaml"
    file.write_text(HEAD + "".join(f"  - object: {name}\n" for name in BOTH))
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(home), "ISTHMUS_CA_FILE": str(ca_file)}
    environ["ISTHMUS_ALLOW_LOOPBACK_HTTP"] = "1"
    for name, org in (("FROM", source), ("TO", target)):
        environ[f"ISTHMUS_ORG_{name}_INSTANCE_URL"] = org.instance_url
        environ[f"ISTHMUS_ORG_{name}_ACCESS_TOKEN"] = org.access_token
    command = [str(ISTHMUS), "copy", str(file), "--from", "from", "--to", "to", "--json"]
    spent, out = _spent("isthmus copy, all its processes", command, environ, home)
    mover = json.loads(out)["mover"]
    moving = Spent("isthmus copy, the mover that moves", mover["cpu_s"], spent.seconds, mover["peak_rss_bytes"])
    return [moving, spent]


def _sfdmu(source: Orgsim, target: Orgsim, home: Path, ca_file: Path, columns: Columns) -> Spent:
    folder = home / "sfdmu"
    folder.mkdir()
    clients = Clients(install(), folder)
    steps = [
        {
            "query": f"SELECT {', '.join(name for name in columns[name_of] if name != 'Id')} FROM {name_of}",
            "operation": "Upsert",
            "externalId": key,
        }
        for name_of, key in NAMES.items()
    ]
    orgs = [
        {"name": name, "instanceUrl": org.instance_url, "accessToken": org.access_token}
        for name, org in (("alpha", source), ("beta", target))
    ]
    (folder / "export.json").write_text(json.dumps({"orgs": orgs, "objects": steps}))
    trust = {"NODE_EXTRA_CA_CERTS": str(ca_file)}
    clients.sf("plugins", "link", str(clients.modules / "node_modules/sfdmu"), "--no-install")
    run = ("sfdmu", "run", "--sourceusername", "alpha", "--targetusername", "beta", "--noprompt", "-p", ".")
    command, environ = clients.sf_command(*run, more=trust)
    return _spent("SFDMU", command, environ, folder)[0]


def _spent(what: str, command: Sequence[str], environ: Mapping[str, str], cwd: Path) -> tuple[Spent, str]:
    """Run a command to its end; its CPU includes that of the processes it waited for. Raises `SystemExit`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        process = subprocess.Popen(command, env=dict(environ), cwd=cwd, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        for stream in (out, err):
            stream.seek(0)
        said = out.read().decode(errors="replace")
        if process.returncode:
            message = f"{what} ended with {process.returncode}:\n{said[-2000:]}\n{err.read().decode(errors='replace')[-2000:]}"
            raise SystemExit(message)
    return Spent(what, usage.ru_utime + usage.ru_stime, seconds, usage.ru_maxrss * 1024), said
