"""The checksums of Ogg, FLAC and LAME, fast and with the standard library alone.

`zlib.crc32` computes the reflected form of the very polynomial that Ogg uses unreflected, so reversing the bits of
each byte (one `bytes.translate`) turns the one into the other. The 16-bit CRC of FLAC and LAME has no such relative
in the standard library; there the message is a polynomial over GF(2) kept in one big integer and folded in halves,
x^(2^j) being congruent to a 16-bit constant: about 100 MB a second, against 5 for a table and a loop.
"""

from __future__ import annotations

import zlib

REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_CRC16 = 0x18005  # x^16 + x^15 + x^2 + 1 (RFC 9639, section 9.3; LAME's music CRC is the reflected form)


def crc32_ogg(data: bytes) -> int:
    """CRC of an Ogg page whose CRC field is zero (RFC 3533, section 6: polynomial 0x04c11db7, no reflection)."""
    reflected = zlib.crc32(data.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(REVERSED), "big")


def crc16(data: bytes) -> int:
    """CRC-16 with polynomial 0x8005 from zero, most significant bit first (RFC 9639, section 9.3)."""
    value = int.from_bytes(data, "big") << 16
    while (bits := value.bit_length()) > 32:
        power = (bits - 1).bit_length() - 1
        high = value >> (1 << power)
        value = (value ^ (high << (1 << power))) ^ _times(high, _POWERS[power])
    return _remainder(value)


def crc16_reflected(data: bytes) -> int:
    """CRC-16/ARC, as LAME writes it: `crc16` with the bits of each byte, and of the result, reversed."""
    return int.from_bytes(crc16(data.translate(REVERSED)).to_bytes(2, "big").translate(REVERSED), "little")


def crc8(data: bytes) -> int:
    """CRC-8 with polynomial 0x07 from zero (RFC 9639, section 9.1.8), for a FLAC frame's header."""
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def _times(value: int, factor: int) -> int:
    """Product of two polynomials over GF(2); `factor` is short."""
    product = 0
    while factor:
        lowest = factor & -factor
        product ^= value << (lowest.bit_length() - 1)
        factor ^= lowest
    return product


def _remainder(value: int, polynomial: int = _CRC16) -> int:
    degree = polynomial.bit_length()
    while (excess := value.bit_length() - degree) >= 0:
        value ^= polynomial << excess
    return value


def _powers() -> list[int]:
    """x^(2^j) modulo the CRC-16's polynomial, for messages of up to 2^40 bits."""
    powers = [2]
    for _ in range(40):
        powers.append(_remainder(_times(powers[-1], powers[-1])))
    return powers


_POWERS = _powers()
_CRC8 = [_remainder(value << 8, 0x107) for value in range(256)]
