"""Numbers out of their bytes, little-endian, as Spark SQL text: SQL has no cast from binary.

Integers are read as hexadecimal digits. A float is its sign, exponent and fraction put together by powers of two, of
which each step is exact; what comes out is the very value, but that every NaN is the same one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparksig.signature.dtypes import Element, Kind


@dataclass(frozen=True, slots=True)
class Ieee:
    """How many bits of a float are its exponent and its fraction."""

    exponent: int
    fraction: int

    @property
    def bias(self) -> int:
        """What is taken from the exponent to get the power of two of the fraction's last bit."""
        return (1 << (self.exponent - 1)) - 1 + self.fraction


_IEEE = {2: Ieee(5, 10), 4: Ieee(8, 23), 8: Ieee(11, 52)}
_LONG = 8


def entry_of_bytes(target: Element, x: str, at: str) -> str:
    """An entry of a binary, as the Spark type that carries it.

    Args:
        target: the entries' type.
        x: the binary.
        at: the entry's position, from 0.

    >>> from sparksig.signature.dtypes import ELEMENTS
    >>> entry_of_bytes(ELEMENTS["uint8"], "_0", "b")
    'cast(conv(hex(substring(_0, b * 1 + 1, 1)), 16, 10) as short)'
    """
    size = np.dtype(target.numpy).itemsize
    # the last byte is the highest
    digits = [f"hex(substring({x}, {at} * {size} + {byte}, 1))" for byte in range(size, 0, -1)]
    text = digits[0] if size == 1 else f"concat({', '.join(digits)})"
    match target.kind:
        case Kind.BOOLEAN:
            return f"{text} = '01'"
        case Kind.FLOAT:
            # read by the lambda's variable: every part of a float is a part of the same bits
            return f"transform(array({_bits(text, size)}), v -> {_float(target, size)})[0]"
    if target.signed and size < _LONG:
        half, whole = 1 << (8 * size - 1), 1 << (8 * size)
        signed = f"(cast(conv({text}, 16, 10) as long) + {half}L) % {whole}L - {half}L"
        return f"cast({signed} as {target.spark})"
    return f"cast(conv({text}, 16, {-10 if target.signed else 10}) as {target.spark})"


def _bits(text: str, size: int) -> str:
    return f"cast(conv({text}, 16, {-10 if size == _LONG else 10}) as long)"


def _float(target: Element, size: int) -> str:
    """A float of the bits `v`."""
    form = _IEEE[size]
    special = (1 << form.exponent) - 1
    exponent = f"(shiftrightunsigned(v, {form.fraction}) & {special}L)"
    fraction = f"(v & {(1 << form.fraction) - 1}L)"
    negative = f"(shiftrightunsigned(v, {8 * size - 1}) & 1L) = 1L"
    subnormal = f"cast({fraction} as double) * power(2D, {1 - form.bias}D)"
    # below 2^(fraction+1), a whole number that a double holds
    scale = f"power(2D, cast({exponent} - {form.bias}L as double))"
    normal = f"cast({fraction} + {1 << form.fraction}L as double) * {scale}"
    other = f"if({fraction} = 0L, double('Infinity'), double('NaN'))"
    size_of = f"case {exponent} when {special}L then {other} when 0L then {subnormal} else {normal} end"
    return f"cast(if({negative}, -1D, 1D) * {size_of} as {target.spark})"
