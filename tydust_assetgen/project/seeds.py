"""The candidates of a slot with several takes: the same brief with different seeds. Pure.

Candidate N is the same brief with a seed of its own, so it is performed, kept and found again like any other take.
The first has the slot's own seed: asking for more takes never throws away the one that is there.
"""

from __future__ import annotations

import hashlib

import msgspec

from tydust_assetgen.flow import Brief


def seed_of(seed: int, number: int) -> int:
    """The seed of take `number`, from 1: the slot's own for the first, 32 bits of its BLAKE2b digest for others."""
    if number == 1:
        return seed
    return int.from_bytes(hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=4).digest(), "big")


def candidate(brief: Brief, number: int) -> Brief:
    """What take `number`, from 1, is asked to perform."""
    return msgspec.structs.replace(brief, seed=seed_of(brief.seed, number), takes=1, pick=0)


def candidates(brief: Brief) -> tuple[Brief, ...]:
    """All takes of a slot, in the order of their numbers; a slot with one take has one."""
    return tuple(candidate(brief, number) for number in range(1, brief.takes + 1))


def published(brief: Brief, chosen: int) -> Brief:
    """What the take that is published was asked to perform.

    Args:
        brief: the slot's.
        chosen: the number of the take that came out best, as the lock file has it; 0 when it is not known.
    """
    return candidate(brief, brief.pick or chosen or 1)
