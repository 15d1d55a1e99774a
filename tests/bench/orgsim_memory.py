"""How much memory orgsim needs to serve millions of virtual rows.

    python -m tests.bench.orgsim_memory [--accounts 1000000] [--contacts 3000000]

Both tables are read whole over REST, page by page, and over Bulk; then searched without an index, written to by REST and
uploaded to by Bulk. Printed is the server's peak (VmHWM) after each step.
"""

from __future__ import annotations

import argparse
import sys
import urllib.parse
from pathlib import Path

from tests.bench.orgsim_speed import BASE, CHUNK_BYTES, REST, Client
from tests.support.orgsim import Orgsim, start_orgsim

UPLOAD_ROWS = 800_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--contacts", type=int, default=3_000_000)
    options = parser.parse_args()
    with start_orgsim(profile="bench", rows={"Account": options.accounts, "Contact": options.contacts}) as org:
        _say(org, "started")
        for name, count in (("Account", options.accounts), ("Contact", options.contacts)):
            assert _by_rest(org, f"SELECT Id, Name, CreatedDate FROM {name}") == count
            _say(org, f"{name} read by REST, {count} rows")
            assert _by_bulk(org, f"SELECT Id, LastModifiedDate, Phone FROM {name}") == count
            _say(org, f"{name} read by Bulk")
        found = Client(org).json("GET", f"{REST}/query?q={urllib.parse.quote(SEARCH)}")["totalSize"]
        _say(org, f"searched without an index, {found} rows found")
        for number in range(2000):
            Client(org).json("POST", f"{REST}/sobjects/Account", {"Name": f"written {number}"})
        assert _by_bulk(org, "SELECT Id FROM Account") == options.accounts + 2000
        _say(org, "2,000 rows written by REST and read again")
        _upload(org)
        _say(org, f"{UPLOAD_ROWS} rows uploaded by Bulk")
    return 0


SEARCH = "SELECT Id FROM Account WHERE Name LIKE '%77%' AND BillingCity = 'Berlin'"


def _by_rest(org: Orgsim, soql: str) -> int:
    client, path, rows = Client(org), f"{REST}/query?q={urllib.parse.quote(soql)}", 0
    while path:
        body = client.send("GET", path, None, "application/json").read()
        rows += body.count(b'{"attributes"')
        at = body.find(b'"nextRecordsUrl":"')
        path = "" if at < 0 else body[at + 18 : body.index(b'"', at + 18)].decode()
    return rows


def _by_bulk(org: Orgsim, soql: str) -> int:
    client = Client(org)
    job = client.json("POST", f"{BASE}/query", {"operation": "query", "query": soql})["id"]
    client.until_complete(f"{BASE}/query/{job}")
    rows, locator = 0, ""
    while locator != "null":
        query = f"?locator={locator}" if locator else ""
        answer = client.send("GET", f"{BASE}/query/{job}/results{query}", None, "text/csv")
        locator = answer.headers["Sforce-Locator"]
        rows += int(answer.headers["Sforce-NumberOfRecords"])
        while answer.read(CHUNK_BYTES):
            pass
    return rows


def _upload(org: Orgsim) -> None:
    client = Client(org)
    wanted = {"object": "Contact", "operation": "insert", "lineEnding": "LF"}
    job = client.json("POST", f"{BASE}/ingest", wanted)["id"]
    data = "LastName,Title\n" + "".join(f'"Uploaded {n}","A title as long as titles are"\n' for n in range(UPLOAD_ROWS))
    client.send("PUT", f"{BASE}/ingest/{job}/batches", data.encode(), "text/csv").read()
    client.json("PATCH", f"{BASE}/ingest/{job}", {"state": "UploadComplete"})
    client.until_complete(f"{BASE}/ingest/{job}")


def _say(org: Orgsim, what: str) -> None:
    assert org.process is not None
    status = Path(f"/proc/{org.process.pid}/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(f"{int(peak) / 1024:6.0f} MiB  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
