"""RS256 tokens: the org's signing key, id_tokens and JWKS, and checking what a client signed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Final, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_KEY_BITS: Final = 2048
_EXPONENT: Final = 65537


class JwtRefused(Exception):
    """A client's token is malformed or not signed with the key that the app names."""


def b64url(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    """Return the bytes of unpadded base64url; JwtRefused if it is none."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise JwtRefused from None


class SigningKey:
    """The key of one emulated org; made when first needed, never written anywhere."""

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=_EXPONENT, key_size=_KEY_BITS)

    @cached_property
    def key_id(self) -> str:
        """The `kid`: a digest of the public key."""
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(public).hexdigest()[:16]

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return a compact RS256 token over these claims."""
        header = {"alg": "RS256", "kid": self.key_id, "typ": "JWT"}
        signed = f"{_encoded(header)}.{_encoded(claims)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{b64url(signature)}"

    def jwks(self) -> dict[str, object]:
        """Return the key set that `/id/keys` shows."""
        numbers = self._key.public_key().public_numbers()
        key = {
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": self.key_id,
            "n": b64url(numbers.n.to_bytes(_KEY_BITS // 8, "big")),
            "e": b64url(numbers.e.to_bytes(3, "big")),
        }
        return {"keys": [key]}


def access_token_hash(access_token: str) -> str:
    """Return `at_hash`: the left half of the token's SHA-256."""
    return b64url(hashlib.sha256(access_token.encode()).digest()[:16])


def verified_claims(assertion: str, pem: str) -> dict[str, object]:
    """Return the claims of a client's RS256 assertion; JwtRefused unless the PEM key or certificate signed it."""
    parts = assertion.split(".")
    if len(parts) != 3:
        raise JwtRefused
    if _object(parts[0]).get("alg") != "RS256":
        raise JwtRefused
    try:
        key = _public_key(pem)
        key.verify(unb64url(parts[2]), f"{parts[0]}.{parts[1]}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        raise JwtRefused from None
    return _object(parts[1])


def unverified_issuer(assertion: str) -> str | None:
    """Return the `iss` of an assertion without any check; only good for finding the app whose key must fit."""
    parts = assertion.split(".")
    if len(parts) != 3:
        return None
    issuer = _object(parts[1]).get("iss")
    return issuer if isinstance(issuer, str) else None


def _public_key(pem: str) -> rsa.RSAPublicKey:
    raw = pem.encode()
    if b"CERTIFICATE" in raw:
        key = x509.load_pem_x509_certificate(raw).public_key()
    else:
        key = serialization.load_pem_public_key(raw)
    if not isinstance(key, rsa.RSAPublicKey):
        raise JwtRefused
    return key


def _encoded(value: Mapping[str, object]) -> str:
    return b64url(json.dumps(value, separators=(",", ":")).encode())


def _object(part: str) -> dict[str, object]:
    try:
        value = json.loads(unb64url(part))
    except ValueError:
        raise JwtRefused from None
    if not isinstance(value, dict):
        raise JwtRefused
    return cast("dict[str, object]", value)
