"""TLS with a certificate authority of our own, kept in a folder so that clients can be told to trust it."""

from __future__ import annotations

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_FILE: Final = "ca.pem"
_CA_KEY_FILE: Final = "ca.key"
_LEAF_FILE: Final = "server.pem"
_LEAF_KEY_FILE: Final = "server.key"
_LIFETIME_DAYS: Final = 365
_BACKDATED: Final = timedelta(days=1)
NAMES: Final = (
    "localhost",
    "login.salesforce.com",
    "test.salesforce.com",
    "*.my.salesforce.com",
    "*.sandbox.my.salesforce.com",
)
"""Names in the server certificate. The Salesforce ones are for clients that insist on them, with names mapped inside
the test's own process; the authority is private, so nobody else believes them.
"""


def server_context(folder: Path) -> ssl.SSLContext:
    """Return the server's TLS settings, making authority and certificate in `folder` if they are not there.

    Clients trust `folder/ca.pem`. Keys are files with mode 0600.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CA_FILE).exists() or not (folder / _CA_KEY_FILE).exists():
        _make_authority(folder)
    _make_leaf(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / _LEAF_FILE, folder / _LEAF_KEY_FILE)
    return context


def _make_authority(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "orgsim test authority (not Salesforce)")])
    certificate = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / _CA_KEY_FILE, _key_pem(key), mode=0o600)
    _write(folder / CA_FILE, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _make_leaf(folder: Path) -> None:
    authority = x509.load_pem_x509_certificate((folder / CA_FILE).read_bytes())
    authority_key = serialization.load_pem_private_key((folder / _CA_KEY_FILE).read_bytes(), None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        message = f"{_CA_KEY_FILE} is not a key that orgsim made; remove {CA_FILE} and {_CA_KEY_FILE}"
        raise TypeError(message)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "orgsim")])
    loopbacks = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    certificate = (
        _builder(subject, authority.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([*(x509.DNSName(name) for name in NAMES), *loopbacks]), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    _write(folder / _LEAF_KEY_FILE, _key_pem(key), mode=0o600)
    _write(folder / _LEAF_FILE, chain, mode=0o644)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=_LIFETIME_DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, *, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
