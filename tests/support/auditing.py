"""One audit of an orgsim org as the command line does it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

from isthmus.audit.collecting.checkpoint import EVERY_S
from isthmus.audit.collecting.reading import MoverSetting
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.once import OnceResult, OnProgress, audit_once
from isthmus.clock import SystemClock
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.lease import Lease
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.values import Purpose, Secret
from tests.support.orgsim import Orgsim

MOVER = MoverSetting(allow_loopback_http=True, allow_no_sandbox=True)


def audit_org(
    org: Orgsim,
    out_dir: Path,
    *,
    token: str | None = None,
    options: AuditOptions | None = None,
    checkpoint_every_s: float = EVERY_S,
    on_progress: OnProgress | None = None,
) -> OnceResult:
    """Run a whole audit through a real mover."""
    host = parse_login_host(org.instance_url, allow_loopback_http=True)
    assert not isinstance(host, HostDenied)
    endpoint = Endpoint(uuid4(), org.instance_url, Purpose.AUDIT, API_VERSION_DEFAULT)
    lease = Lease(Secret(token or org.access_token), host)
    work = audit_once(
        endpoint,
        lease,
        org="acme",
        out_dir=out_dir,
        options=options or AuditOptions(),
        mover=MOVER,
        clock=SystemClock(),
        on_progress=on_progress,
        checkpoint_every_s=checkpoint_every_s,
    )
    return asyncio.run(work)
