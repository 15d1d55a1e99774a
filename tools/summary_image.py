"""Draw docs/images/audit-summary.png anew: the summary page of an audit of demo data.

    python -m tools.summary_image [FILE]

Audits a simulated company of 450 seats with the prices and the contract of examples/audit, as if thirty weekly audits
had gone before. Only the seats of these earlier weeks are made up; everything else is read from the simulated org.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

import msgspec

from isthmus.audit.evidence.bundle import read_bundle, read_manifest
from isthmus.audit.evidence.places import bundle_at
from isthmus.audit.figures import Report
from isthmus.audit.given.contract import parse_contract
from isthmus.audit.given.history import History, PoolPoint
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.prices import parse_customer_prices
from isthmus.audit.judge import judge
from isthmus.audit.report.pdf import pdf_data
from isthmus.audit.report.typesetter import page_image
from tests.support.auditing import audit_org
from tests.support.orgsim import start_orgsim

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "docs" / "images" / "audit-summary.png"
EXAMPLES = ROOT / "examples" / "audit"
DOTS_PER_INCH = 88
WEEKS_BEFORE = 30
SEATS_A_WEEK = 1.2
"""How many seats more were assigned each week: a company that grows."""


def past(report: Report) -> History:
    """Return the seats of thirty weekly audits before the report."""
    today = report.taken_at.date()
    points = [
        PoolPoint(
            day_before(today, back),
            line.id,
            line.purchased,
            line.assigned - round(SEATS_A_WEEK * back * line.assigned / max(1, report.seats_assigned)),
            line.unused_a,
            line.unused_b,
            line.unused_c,
        )
        for back in range(WEEKS_BEFORE, 0, -1)
        for line in report.licenses
    ]
    return History(tuple(points))


def day_before(day: date, weeks: int) -> date:
    """Return the day so many weeks before."""
    return day - timedelta(days=7 * weeks)


def main() -> None:
    """Draw the page into the file that is named, or into the one of the docs."""
    image = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGE
    with tempfile.TemporaryDirectory() as folder, start_orgsim(profile="demo", seed=3) as org:
        report = audit_org(org, Path(folder)).report
        with bundle_at(Path(folder) / "bundle") as files:
            snapshot, _, _ = read_bundle(files)
    options = AuditOptions(
        prices=parse_customer_prices((EXAMPLES / "prices.csv").read_text("utf-8"), "prices.csv"),
        contract=parse_contract((EXAMPLES / "contract.csv").read_text("utf-8"), "contract.csv"),
        history=past(report),
    )
    judged = judge(snapshot, options, "Northwind Traders")
    shown = msgspec.structs.replace(judged.report, host="northwind.my.salesforce.com")
    data = msgspec.json.encode(pdf_data(shown, read_manifest(judged.bundle).fingerprint)).decode()
    drawn = page_image(data, dots_per_inch=DOTS_PER_INCH)
    image.write_bytes(drawn)
    print(f"{image}: {image.stat().st_size // 1024} KiB, {shown.seats_unused} of {shown.seats_assigned} seats unused")


if __name__ == "__main__":
    main()
