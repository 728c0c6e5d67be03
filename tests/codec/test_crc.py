"""The fast checksums against their plain definitions, bit by bit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.codec.containers.crc import crc8, crc16, crc16_reflected, crc32_ogg


def plain(data: bytes, width: int, polynomial: int) -> int:
    """Long division, most significant bit first, from zero."""
    register, top = 0, 1 << (width - 1)
    for byte in data:
        register ^= byte << (width - 8)
        for _ in range(8):
            register = (register << 1 ^ (polynomial if register & top else 0)) & ((1 << width) - 1)
    return register


@given(st.binary(max_size=600))
def test_checksums_are_those_of_their_polynomials(data: bytes) -> None:
    assert crc32_ogg(data) == plain(data, 32, 0x04C11DB7)
    assert crc16(data) == plain(data, 16, 0x8005)
    assert crc8(data) == plain(data, 8, 0x07)


def test_published_check_values() -> None:
    assert crc16(b"123456789") == 0xFEE8  # CRC-16/UMTS
    assert crc16_reflected(b"123456789") == 0xBB3D  # CRC-16/ARC
    assert crc8(b"123456789") == 0xF4  # CRC-8/SMBUS


@given(st.binary(min_size=1, max_size=3000), st.data())
def test_a_flipped_bit_changes_the_checksum(data: bytes, draws: st.DataObject) -> None:
    bit = draws.draw(st.integers(0, len(data) * 8 - 1))
    other = bytearray(data)
    other[bit // 8] ^= 1 << bit % 8
    assert crc16(data) != crc16(bytes(other))
    assert crc32_ogg(data) != crc32_ogg(bytes(other))
