"""gzip and deflate, fast enough not to be the bottleneck of a benchmark."""

from __future__ import annotations

from typing import Final

from isal import igzip, isal_zlib
from isal.igzip_lib import IsalError

_LEVEL: Final = 1
_GZIP_WINDOW: Final = 31
_ZLIB_WINDOW: Final = 15


class Unreadable(Exception):
    """Data is not what its Content-Encoding says."""


class Overlong(Exception):
    """Data unpacks to more than is allowed."""


class Packer:
    """A gzip stream in the making."""

    def __init__(self) -> None:
        self._inner = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP_WINDOW)  # pyright: ignore[reportUnknownMemberType]  # half-typed stubs

    def add(self, data: bytes) -> bytes:
        """Take data in; returns what is ready to be sent, perhaps nothing."""
        return self._inner.compress(data)  # pyright: ignore[reportUnknownMemberType]  # half-typed stubs

    def finish(self) -> bytes:
        """Return the end of the stream."""
        return self._inner.flush()


def gzipped(data: bytes) -> bytes:
    """Return data as one gzip member."""
    return igzip.compress(data, _LEVEL)  # pyright: ignore[reportUnknownMemberType]  # half-typed stubs


def unpacked(data: bytes, encoding: str, bytes_max: int) -> bytes:
    """Undo a Content-Encoding; Unreadable if it does not fit, Overlong beyond `bytes_max`."""
    if encoding not in {"gzip", "deflate"}:
        raise Unreadable
    window = _GZIP_WINDOW if encoding == "gzip" else _ZLIB_WINDOW
    unpacker = isal_zlib.decompressobj(window)  # pyright: ignore[reportUnknownMemberType]  # half-typed stubs
    try:
        plain = unpacker.decompress(data, bytes_max + 1)  # pyright: ignore[reportUnknownMemberType]  # half-typed stubs
    except IsalError:  # pyright: ignore[reportGeneralTypeIssues]  # its stub calls the class an instance
        raise Unreadable from None
    if len(plain) > bytes_max:
        raise Overlong
    if not unpacker.eof:
        raise Unreadable
    return plain
