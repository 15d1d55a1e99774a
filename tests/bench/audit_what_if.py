"""How long a what-if question takes for an org of many users: CPU milliseconds a question, and of one whole analysis.

Made ready: from snapshot and settings. Loaded: from the stored bundle.zip, with the check against the audit's own report.

python -m tests.bench.audit_what_if [--people 50000] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time

from isthmus.audit.analysis import Basis, analyse
from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.bundle import bundle_files, zipped
from isthmus.audit.given.options import Thresholds
from isthmus.audit.given.pricebook import price_book
from isthmus.audit.what_if.questions import load
from isthmus.audit.what_if.what_if import WhatIf, WhatIfTable
from tests.bench.audit_population import populate

QUESTIONS = tuple(range(30, 180, 15))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    snapshot = populate(1, options.people).org.snapshot()
    basis = Basis(Thresholds(), price_book(()), ())
    began = time.process_time()
    compose(analyse(snapshot, basis), "acme")
    whole = time.process_time() - began
    began = time.process_time()
    table = WhatIfTable(snapshot, basis)
    ready = time.process_time() - began
    table.ask(WhatIf())
    profile = cProfile.Profile(builtins=False)
    if options.profile:
        profile.enable()
    began = time.process_time()
    for days in QUESTIONS:
        table.ask(WhatIf(Thresholds(inactive_days=days)))
    each = (time.process_time() - began) / len(QUESTIONS)
    profile.disable()
    packed = zipped(bundle_files(snapshot, basis, "acme", compose(analyse(snapshot, basis), "acme")))
    began = time.process_time()
    loaded = load(packed)
    load_s = time.process_time() - began
    print(f"users {len(snapshot.users)}, CPU ms: whole analysis {whole * 1000:.0f}, made ready {ready * 1000:.0f},")
    print(f"loaded {load_s * 1000:.0f} ({loaded.bytes / 2**20:.0f} MiB kept), a question {each * 1000:.1f}")
    print(f"a question is {whole / each:.0f} times cheaper than the analysis")
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(18)
    return 0


if __name__ == "__main__":
    sys.exit(main())
