"""Pictures cut out of pictures: the turned region of a face, and the whole picture made small.

Both sample by bilinear interpolation without a filter before it, as MediaPipe does: its networks were used that way.
"""

from __future__ import annotations

import math

import numpy as np

from voxface.capture.light.region import Region
from voxface.stream import Array

_STEPS = 16  # positions between two pixels; 16 x 16 weights times 255 just fit into 16 bits
_HALF = np.uint64(0x0080_0080_0080_0080)  # rounds all channels at once


def cut_out(rgb: Array, region: Region, size: int) -> Array:
    """The picture inside a turned region; beyond the edges, the pixels of the edge.

    The three channels of a pixel are interpolated as one 64-bit number with 16 bits for each: this is why it is fast.

    Args:
        rgb: (height, width, 3) uint8. size: pixels of a side of the result.
    Returns: (1, size, size, 3) uint8.
    """
    a, b, c, d, e, f = region.matrix(size)
    last = size - 1
    left, right = _span(c, a * last, b * last, rgb.shape[1])
    top, bottom = _span(f, d * last, e * last, rgb.shape[0])
    width = right - left
    pixels = _joined(_window(rgb, left, top, right, bottom))
    steps = np.arange(size, dtype=np.float32) * np.float32(_STEPS)
    x = _grid(steps * np.float32(a), steps * np.float32(b), c - left)
    y = _grid(steps * np.float32(d), steps * np.float32(e), f - top)
    place = ((y >> 4) * width + (x >> 4)).astype(np.int64)
    right_share, down_share = (x & 15).astype(np.uint64), (y & 15).astype(np.uint64)
    corners = [_spread(pixels[behind:].take(place, mode="wrap")) for behind in (0, 1, width, width + 1)]
    upper, lower = _blend(corners[0], corners[1], right_share), _blend(corners[2], corners[3], right_share)
    mixed = _blend(upper, lower, down_share)
    mixed += _HALF
    return _whole_parts(mixed)[None]


def _span(start: float, one: float, other: float, length: int) -> tuple[int, int]:
    """Whole pixels from before the first to behind the last, neighbours included, at least one of them in the picture.

    Args:
        start: place of the first pixel of the result. one, other: from there to its ends. length: of the picture.
    """
    low, high = start + min(one, 0) + min(other, 0), start + max(one, 0) + max(other, 0)
    return min(math.floor(low) - 1, length - 1), max(math.floor(high) + 3, 1)


def _window(rgb: Array, left: int, top: int, right: int, bottom: int) -> Array:
    """(bottom - top, right - left, 3) pixels of a picture; outside of it, those of its edge."""
    height, width = rgb.shape[:2]
    inside = rgb[max(top, 0) : bottom, max(left, 0) : right]
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return inside
    window = np.empty((bottom - top, right - left, 3), np.uint8)
    above, before = max(-top, 0), max(-left, 0)
    below, behind = above + inside.shape[0], before + inside.shape[1]
    window[above:below, before:behind] = inside
    window[above:below, :before] = inside[:, :1]
    window[above:below, behind:] = inside[:, -1:]
    window[:above] = window[above]
    window[below:] = window[below - 1]
    return window


def _joined(window: Array) -> Array:
    """(n,) uint32, one per pixel: red, green, blue in a byte each; the fourth is the first of the next pixel."""
    size = window.shape[0] * window.shape[1]
    samples = np.empty(3 * size + 1, np.uint8)
    samples[:-1].reshape(window.shape)[:] = window
    return np.ndarray((size,), "<u4", samples, strides=(3,)).copy()


def _spread(pixels: Array) -> Array:
    """uint32 with a byte for each channel -> uint64 with 16 bits for each; what the fourth holds does not matter."""
    return pixels.view(np.uint8).astype(np.uint16).view(np.uint64)


def _grid(along: Array, down: Array, start: float) -> Array:
    """(size, size) int32 positions in steps, rounded."""
    return (along + (down + np.float32(start * _STEPS + 0.5))[:, None]).astype(np.int32)


def _blend(first: Array, second: Array, share: Array) -> Array:
    """first + (second - first) * share in steps, in the place of both; sums of all channels come out whole."""
    second -= first
    second *= share
    first <<= np.uint64(4)
    first += second
    return first


def _whole_parts(pixels: Array) -> Array:
    """(n, n) uint64, 8 whole and 8 fractional bits for each channel -> (n, n, 3) uint8."""
    channels, samples = pixels.view(np.uint8).reshape(*pixels.shape, 8), np.empty((*pixels.shape, 3), np.uint8)
    for channel in range(3):
        samples[..., channel] = channels[..., 2 * channel + 1]
    return samples


def made_small(rgb: Array, size: int) -> Array:
    """The whole picture in the middle of a black square of that size.

    Returns: (1, size, size, 3) float32 in [-1, 1].
    """
    height, width = rgb.shape[:2]
    scale = max(height, width) / size
    lines, small = rgb.reshape(height, 3 * width), np.zeros((size, 3 * size), np.float32)
    for row, row_share in _taps(size, scale, height):
        for column, column_share in _taps(size, scale, width):
            samples = (3 * column[:, None] + np.arange(3)).ravel()
            small += lines[row][:, samples] * np.repeat(column_share, 3) * row_share[:, None]
    return (small / np.float32(127.5) - 1).reshape(1, size, size, 3)


def _taps(size: int, scale: float, length: int) -> list[tuple[Array, Array]]:
    """The two pixels before and behind each of `size` places on a side of that length, and their shares; outside, 0."""
    places = np.arange(size) * scale - (size * scale - length) / 2
    first = np.floor(places).astype(np.int64)
    share = (places - first).astype(np.float32)
    taps = []
    for pixel, weight in ((first, 1 - share), (first + 1, share)):
        seen = (pixel >= 0) & (pixel < length)
        taps.append((np.clip(pixel, 0, length - 1), np.where(seen, weight, 0)))
    return taps
