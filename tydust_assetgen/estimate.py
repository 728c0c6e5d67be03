"""How long work will take. In walk steps, out walk seconds, from how fast each generator was on this machine before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tydust_assetgen.disk import write_atomic
from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.planning import Step

FINISHING = "finishing"
"""What stands in the rates for all but generating: finishing, encoding and verifying a file."""
_FINISHING_S_PER_S = 0.06
"""For one second of stereo, before anything was measured here; see docs/performance.md."""
_START_S = 1.5
"""A worker loads numpy and scipy before its first track."""
_MEMORY = 0.7
"""Weight of what was known before against the newest measurement."""


def rate_name(brief: Brief) -> str:
    """Under which name a brief's rate is kept: models of one generator differ."""
    model = brief.parameters.get("model", "")
    return f"{brief.generator} {model}" if model else brief.generator


def pieces(step: Step) -> int:
    """How often something of the track's length is finished, encoded or judged."""
    judged = len(step.contenders) if len(step.contenders) > 1 and step.action in ("generate", "finish") else 0
    return judged + sum(output.action == "make" for output in step.outputs)


class Rates:
    """Seconds of work per second of audio, by generator. A lost or damaged file means that nothing is known yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rates: dict[str, float] = {}
        self._changed = False
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            self._rates = msgspec.json.decode(path.read_bytes(), type=dict[str, float])

    def learn(self, name: str, audio_s: float, seconds: float) -> None:
        """Remember how long a performance took."""
        if audio_s <= 0 or seconds <= 0:
            return
        rate = seconds / audio_s
        self._rates[name] = _MEMORY * self._rates.get(name, rate) + (1 - _MEMORY) * rate
        self._changed = True

    def save(self) -> None:
        """Write what was learned; not being able to is no reason to fail a build."""
        if self._changed:
            with contextlib.suppress(OSError):
                write_atomic(self._path, msgspec.json.encode(self._rates, order="sorted"), durable=False)

    def step_s(self, step: Step) -> float:
        """How long one step will take on one core."""
        brief = step.recipe.brief
        finishing = self._rates.get(FINISHING, _FINISHING_S_PER_S) * brief.duration_s * pieces(step)
        match step.action:
            case "generate":
                known = self._rates.get(rate_name(brief))
                own = known * brief.duration_s if known else generator(brief.generator).estimate_s(brief)
                return own * len(step.perform) + finishing
            case "finish" | "encode":
                return finishing
            case _:
                return 0.0

    def total_s(self, steps: Iterable[Step], jobs: int) -> float:
        """How long these steps will take together: all cores busy, but never less than the longest one."""
        times = [self.step_s(step) for step in steps]
        start_s = _START_S if any(times) else 0.0
        return start_s + max(sum(times) / jobs, max(times, default=0.0))
