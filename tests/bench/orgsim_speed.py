"""How fast orgsim hands out and swallows rows in bench mode: it must never be the bottleneck of a benchmark.

    python -m tests.bench.orgsim_speed [--rows 1000000] [--users 20000] [--logins 2000000]

Out: the pages of one Bulk query of accounts, read and thrown away. In: Bulk upserts of accounts into the sink, with rows
of several widths. Logins: pages of a REST query, and grouped queries of a few minutes each. The CPU seconds are the
server's own; the client is this process, whose CPU seconds are printed too: it must not be what is measured.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psutil

from tests.support.orgsim import Orgsim, start_orgsim

CHUNK_BYTES = 1 << 20
POLL_S = 0.02
FIELDS = "Id,Name,Type,Industry,Phone,Website,Description,AnnualRevenue,NumberOfEmployees,BillingCity,SystemModstamp"
UPLOAD_BYTES = 90_000_000
REST = "/services/data/v62.0"
BASE = f"{REST}/jobs"


@dataclass(frozen=True, slots=True)
class Speed:
    """One direction."""

    way: str
    megabytes: float
    seconds: float
    server_cpu_s: float
    client_cpu_s: float

    def line(self) -> str:
        """The figures in words."""
        return (
            f"{self.way:28} {self.megabytes:6.1f} MB in {self.seconds:5.2f} s = {self.megabytes / self.seconds:4.0f} MB/s, "
            f"{self.megabytes / self.server_cpu_s:4.0f} MB per CPU second of the server "
            f"({self.server_cpu_s:.2f} s; client {self.client_cpu_s:.2f} s)"
        )


class Client:
    """One kept connection to an org."""

    def __init__(self, org: Orgsim) -> None:
        host = urllib.parse.urlsplit(org.instance_url)
        self._connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=600)
        self._headers = {"Authorization": f"Bearer {org.access_token}"}

    def send(self, method: str, path: str, body: bytes | Iterator[bytes] | None, kind: str) -> http.client.HTTPResponse:
        self._connection.request(method, path, body, {**self._headers, "Content-Type": kind})
        answer = self._connection.getresponse()
        assert answer.status < 300, (method, path, answer.status, answer.read()[:300])
        return answer

    def json(self, method: str, path: str, body: object = None) -> dict[str, object]:
        data = None if body is None else json.dumps(body).encode()
        return json.loads(self.send(method, path, data, "application/json").read() or b"{}")

    def until_complete(self, path: str) -> None:
        while (state := self.json("GET", path)["state"]) != "JobComplete":
            assert state not in {"Failed", "Aborted"}, state
            time.sleep(POLL_S)


def out(org: Orgsim, cpu: psutil.Process) -> Speed:
    client = Client(org)
    job = client.json("POST", f"{BASE}/query", {"operation": "query", "query": f"SELECT {FIELDS} FROM Account"})["id"]
    client.until_complete(f"{BASE}/query/{job}")
    watch, received, locator = Watch(cpu), 0, ""
    while locator != "null":
        query = f"?locator={locator}" if locator else ""
        answer = client.send("GET", f"{BASE}/query/{job}/results{query}", None, "text/csv")
        locator = answer.headers["Sforce-Locator"]
        while chunk := answer.read(CHUNK_BYTES):
            received += len(chunk)
    return watch.speed("out, Bulk CSV", received)


WIDTHS = {
    "in, 60-byte rows": ("Name,Type,Phone", "{:018d},Name of it,Customer - Direct,49 30 123\n"),
    "in, 110-byte quoted rows": (
        "Name,Type,Phone,Description",
        '"{:018d}","Company of the bench","Customer - Direct","+49 30 1234567","A line of words, as they are"\n',
    ),
    "in, 400-byte quoted rows": (
        "Name,Site,BillingCity,BillingState,ShippingCity,ShippingState,Sic,Fax,Description",
        '"{:018d}",' + ",".join(['"A line of words, as they are made up here"'] * 9) + "\n",
    ),
}


def into(org: Orgsim, cpu: psutil.Process, name: str) -> Speed:
    client = Client(org)
    header, line = WIDTHS[name]
    wanted = {"object": "Account", "operation": "upsert", "externalIdFieldName": "Bench_Key__c", "lineEnding": "LF"}
    rows = UPLOAD_BYTES // len(line.format(0))
    data = (f"Bench_Key__c,{header}\n" + "".join(map(line.format, range(rows)))).encode()
    job = client.json("POST", f"{BASE}/ingest", wanted)["id"]
    watch = Watch(cpu)
    client.send("PUT", f"{BASE}/ingest/{job}/batches", data, "text/csv").read()
    client.json("PATCH", f"{BASE}/ingest/{job}", {"state": "UploadComplete"})
    client.until_complete(f"{BASE}/ingest/{job}")
    return watch.speed(name, len(data))


class Watch:
    """Times the server and this process from its making on."""

    def __init__(self, cpu: psutil.Process) -> None:
        self._cpu = cpu
        self._began, self._server, self._client = time.perf_counter(), cpu_s(cpu), time.process_time()

    def speed(self, way: str, count: int) -> Speed:
        return Speed(
            way,
            count / 1e6,
            time.perf_counter() - self._began,
            max(cpu_s(self._cpu) - self._server, 0.001),
            time.process_time() - self._client,
        )


def logins(org: Orgsim, cpu: psutil.Process, pages: int) -> tuple[Speed, int]:
    """Read pages of LoginHistory over REST; return bytes and rows."""
    client = Client(org)
    soql = "SELECT Id, UserId, LoginTime, LoginType, Status, Application, SourceIp FROM LoginHistory"
    path, received, rows = f"{REST}/query?q={urllib.parse.quote(soql)}", 0, 0
    watch = Watch(cpu)
    for _ in range(pages):
        body = client.send("GET", path, None, "application/json").read()
        received += len(body)
        rows += body.count(b'{"attributes"')
        at = body.find(b'"nextRecordsUrl":"')
        if at < 0:
            break
        path = body[at + 18 : body.index(b'"', at + 18)].decode()
    return watch.speed("out, REST logins", received), rows


def grouped(org: Orgsim, cpu: psutil.Process, count: int) -> tuple[Speed, int]:
    """Ask for groups of logins in windows of ten minutes; return bytes and logins that were grouped."""
    client, logins_seen, received = Client(org), 0, 0
    by = "UserId, LoginType, Status, Application, LoginSubType"
    start = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=60)
    watch = Watch(cpu)
    for number in range(count):
        since = start + timedelta(minutes=10 * number)
        window = f"LoginTime >= {since:%Y-%m-%dT%H:%M:%SZ} AND LoginTime < {since + timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"
        soql = f"SELECT {by}, COUNT(Id) n, MIN(LoginTime) a, MAX(LoginTime) b FROM LoginHistory WHERE {window} GROUP BY {by}"
        body = client.send("GET", f"{REST}/query?q={urllib.parse.quote(soql)}", None, "application/json").read()
        received += len(body)
        logins_seen += sum(record["n"] for record in json.loads(body)["records"])
    return watch.speed("out, grouped logins", received), logins_seen


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--logins", type=int, default=2_000_000)
    options = parser.parse_args()
    rows = {"Account": options.rows, "User": options.users, "LoginHistory": options.logins}
    with start_orgsim(profile="bench", rows=rows) as org:
        assert org.process is not None
        process = psutil.Process(org.process.pid)
        metadata = {"type": "Text", "label": "Bench key", "length": 18, "externalId": True, "unique": True}
        org.control("POST", "/fields", {"FullName": "Account.Bench_Key__c", "Metadata": metadata, "granted": True})
        print(out(org, process).line())
        for name in WIDTHS:
            print(into(org, process, name).line())
        for speed, count in (logins(org, process, 150), grouped(org, process, 60)):
            print(speed.line())
            print(f"{'':28} {count} logins, {count / speed.server_cpu_s:,.0f} per CPU second of the server")
        print(f"memory of the server: {process.memory_info().rss / 1e6:.0f} MB (as it stands at the end)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
