"""How fast orgsim hands out and swallows rows in bench mode: it must never be the bottleneck of a benchmark.

    python -m tests.bench.orgsim_speed [--rows 1000000]

Out: the pages of one Bulk query of accounts, read and thrown away. In: one Bulk upsert of accounts into the sink. The
CPU seconds are the server's own; the client is this process.
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

import psutil

from tests.support.orgsim import Orgsim, start_orgsim

CHUNK_BYTES = 1 << 20
POLL_S = 0.02
FIELDS = "Id,Name,Type,Industry,Phone,Website,Description,AnnualRevenue,NumberOfEmployees,BillingCity,SystemModstamp"
UPLOAD_BYTES = 90_000_000
BASE = "/services/data/v62.0/jobs"


@dataclass(frozen=True, slots=True)
class Speed:
    """One direction."""

    way: str
    megabytes: float
    seconds: float
    server_cpu_s: float

    def line(self) -> str:
        """The figures in words."""
        return (
            f"{self.way:4} {self.megabytes:7.1f} MB in {self.seconds:5.2f} s = {self.megabytes / self.seconds:5.0f} MB/s, "
            f"{self.megabytes / self.server_cpu_s:5.0f} MB per CPU second of the server"
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
    began, before, received, locator = time.perf_counter(), cpu_s(cpu), 0, ""
    while locator != "null":
        query = f"?locator={locator}" if locator else ""
        answer = client.send("GET", f"{BASE}/query/{job}/results{query}", None, "text/csv")
        locator = answer.headers["Sforce-Locator"]
        while chunk := answer.read(CHUNK_BYTES):
            received += len(chunk)
    return Speed("out", received / 1e6, time.perf_counter() - began, cpu_s(cpu) - before)


def into(org: Orgsim, cpu: psutil.Process) -> Speed:
    client = Client(org)
    wanted = {"object": "Account", "operation": "upsert", "externalIdFieldName": "Bench_Key__c", "lineEnding": "LF"}
    metadata = {"type": "Text", "label": "Bench key", "length": 18, "externalId": True, "unique": True}
    org.control("POST", "/fields", {"FullName": "Account.Bench_Key__c", "Metadata": metadata, "granted": True})
    line = '"{:018d}","Company of the bench","Customer - Direct","+49 30 1234567","A line of words, as they are"\n'
    rows = UPLOAD_BYTES // len(line.format(0))
    content = "Bench_Key__c,Name,Type,Phone,Description\n" + "".join(map(line.format, range(rows)))
    data = content.encode()
    job = client.json("POST", f"{BASE}/ingest", wanted)["id"]
    began, before = time.perf_counter(), cpu_s(cpu)
    client.send("PUT", f"{BASE}/ingest/{job}/batches", data, "text/csv").read()
    client.json("PATCH", f"{BASE}/ingest/{job}", {"state": "UploadComplete"})
    client.until_complete(f"{BASE}/ingest/{job}")
    return Speed("in", len(data) / 1e6, time.perf_counter() - began, cpu_s(cpu) - before)


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with start_orgsim(profile="bench", rows={"Account": options.rows}) as org:
        assert org.process is not None
        process = psutil.Process(org.process.pid)
        for speed in (out(org, process), into(org, process)):
            print(speed.line())
        print(f"peak memory of the server: {process.memory_info().rss / 1e6:.0f} MB (as it stands at the end)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
