"""Make a PNG small: a drawn page has few colours, so a palette of 256 shows it as well.

For images of the docs; reads what the typesetter writes (eight bits, red, green, blue and opacity, not interlaced).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS_MAX = 256
BYTES_A_PIXEL = 4
RGBA = (8, 6)
"""Eight bits, colour type 6."""


def palette_png(content: bytes) -> bytes:
    """Return the image with 256 of its colours; others become the nearest of them. Opacity is left out."""
    pixels = _pixels(content)[:, :, :3]
    colours, places, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    kept, nearest = _kept(colours.astype(np.int32), counts)
    indices: NDArray[np.uint8] = nearest.astype(np.uint8)[places].reshape(pixels.shape[:2])
    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + row.tobytes() for row in indices)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", colours[kept].tobytes()),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _kept(colours: NDArray[np.int32], counts: NDArray[np.intp]) -> tuple[list[int], NDArray[np.intp]]:
    """Choose the most frequent colour, then again and again the one that is worst shown by those chosen."""
    kept = [int(counts.argmax())]
    far = _distance(colours, colours[kept[0]])
    nearest = np.zeros(len(colours), dtype=np.intp)
    while len(kept) < min(COLOURS_MAX, len(colours)):
        worst = int((far * np.sqrt(counts)).argmax())
        distance = _distance(colours, colours[worst])
        closer = distance < far
        far[closer], nearest[closer] = distance[closer], len(kept)
        kept.append(worst)
    return kept, nearest


def _distance(colours: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.int32]:
    return ((colours - other) ** 2).sum(axis=1, dtype=np.int32)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        yield content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        at += length + 12


def _pixels(content: bytes) -> NDArray[np.uint8]:
    """Return rows of pixels. Raises ValueError for an image of another kind."""
    parts = list(_chunks(content))
    width, height, *kind = struct.unpack(">IIBB", dict(parts)[b"IHDR"][:10])
    if tuple(kind) != RGBA:
        message = f"a PNG of the kind {kind}, not {RGBA}"
        raise ValueError(message)
    data = zlib.decompress(b"".join(data for name, data in parts if name == b"IDAT"))
    stride = width * BYTES_A_PIXEL
    above, rows = bytearray(stride), list[bytearray]()
    for begin in range(0, height * (stride + 1), stride + 1):
        above = _unfiltered(data[begin], bytearray(data[begin + 1 : begin + 1 + stride]), above)
        rows.append(above)
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(height, width, BYTES_A_PIXEL)


def _unfiltered(how: int, row: bytearray, above: bytearray) -> bytearray:
    """Undo a row's filter: the difference to the pixel on the left, above, their mean, or the Paeth predictor."""
    for i, value in enumerate(row):
        left, corner = (row[i - BYTES_A_PIXEL], above[i - BYTES_A_PIXEL]) if i >= BYTES_A_PIXEL else (0, 0)
        guess = (0, left, above[i], (left + above[i]) // 2, _paeth(left, above[i], corner))[how]
        row[i] = (value + guess) & 0xFF
    return row


def _paeth(left: int, up: int, corner: int) -> int:
    near = left + up - corner
    return min((left, up, corner), key=lambda value: abs(near - value))
