"""The portal's own files (styles, scripts, icons), read once at start and served from memory, compressed.

An address that carries the file's fingerprint never changes its content, so browsers may keep it for good.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.params import Dependency

FOLDER: Final = Path(__file__).parent / "static"
FINGERPRINT_LENGTH: Final = 12
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
)
NEEDED: Final = ("portal.css", "portal.js", "vendor/slds/styles/slds.min.css", "vendor/htmx/htmx.min.js")


class AssetsMissing(Exception):
    """The browser assets were not brought yet; the message names the command that does it."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served."""

    kind: str
    plain: bytes
    packed: bytes
    fingerprint: str


class Assets:
    """All files under `static/`, by their path below it."""

    def __init__(self, folder: Path) -> None:
        found = {
            path.relative_to(folder).as_posix(): _load(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in KINDS and path.is_file()
        }
        missing = [name for name in NEEDED if name not in found]
        if missing:
            message = f"the portal's browser files are incomplete ({missing[0]}). Bring them: python tools/assets.py"
            raise AssetsMissing(message)
        self._found: Mapping[str, Asset] = MappingProxyType(found)

    def get(self, path: str) -> Asset | None:
        """Return the file, or None where there is none of that name."""
        return self._found.get(path)

    def url(self, path: str) -> str:
        """Return the address of a file with its fingerprint. Raises `KeyError` for a file that does not exist."""
        return f"/static/{path}?v={self._found[path].fingerprint}"


def _load(path: Path) -> Asset:
    plain = path.read_bytes()
    digest = hashlib.sha256(plain).hexdigest()[:FINGERPRINT_LENGTH]
    return Asset(KINDS[path.suffix], plain, gzip.compress(plain, mtime=0), digest)


@get("/static/{path:path}", sync_to_thread=False)
def static_file(
    request: Request[Any, Any, Any], path: str, assets: Annotated[Assets, Dependency(skip_validation=True)]
) -> Response[bytes]:
    """Serve one file from memory: there is no path to walk, only names that exist."""
    asset = assets.get(path.lstrip("/"))
    if asset is None:
        return Response(b"", status_code=404, media_type="text/plain")
    kept = request.query_params.get("v") == asset.fingerprint
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if kept else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, media_type=asset.kind, headers={**headers, "Content-Encoding": "gzip"})
    return Response(asset.plain, media_type=asset.kind, headers=headers)
