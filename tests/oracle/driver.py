"""Drives product and oracle over the same bundle. The only place here that knows isthmus."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.audit.analysis import analyse
from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.bundle import read_bundle
from isthmus.audit.evidence.parts import canonical


def report_of(files: dict[str, Any]) -> dict[str, Any]:
    """Return the product's report.json of these files."""
    encoded = {
        name: b"".join(msgspec.json.encode(row) + b"\n" for row in content)
        if name.endswith(".jsonl")
        else msgspec.json.encode(content)
        for name, content in files.items()
    }
    snapshot, basis, org = read_bundle(encoded)
    return msgspec.json.decode(canonical(compose(analyse(snapshot, basis), org)))
