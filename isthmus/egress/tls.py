"""The TLS context for every org: the system's roots and nothing that the environment says."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/opt/homebrew/etc/ca-certificates/cert.pem",
)
"""Where Debian, Fedora, SUSE, Alpine and macOS keep their roots."""


class NoRoots(Exception):
    """No certificate authorities were found on this machine, or the given file has none."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a client context: TLS 1.2 or newer, host name checked, the system's roots and those of `ca_file`.

    Everything is read now, so that nothing has to be opened later. `SSL_CERT_FILE`, `SSL_CERT_DIR` and
    `SSLKEYLOGFILE` have no effect: a context from `ssl.create_default_context` would follow them. Raises `NoRoots`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    paths = ssl.get_default_verify_paths()
    candidates = [Path(paths.openssl_cafile), *map(Path, _BUNDLES)]
    bundle = next((path for path in candidates if path.is_file()), None)
    if bundle is not None:
        context.load_verify_locations(cafile=bundle)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError):
            message = f"ISTHMUS_CA_FILE ({ca_file}) cannot be read as PEM certificates. Correct or remove it."
            raise NoRoots(message) from None
    if not context.cert_store_stats()["x509_ca"]:
        message = "No certificate authorities found. Install your system's ca-certificates or set ISTHMUS_CA_FILE."
        raise NoRoots(message)
    return context
