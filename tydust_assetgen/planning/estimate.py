"""Estimates how long work will take, from how fast each generator was on this machine before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.planning.plan import Step
from tydust_assetgen.system.safe_folder import SafeFolder

FINISHING = "finishing"
"""What stands in the rates for all but generating: finishing, encoding and verifying a file."""
_FINISHING_S_PER_S = 0.06
"""For one second of stereo, before anything was measured here; see docs/performance.md."""
_START_S = 1.5
"""A worker loads numpy and scipy before its first track."""
_MAX_BYTES = 1 << 20
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
        self._path, self._folder = path, SafeFolder(path.parent)
        self._rates: dict[str, float] = {}
        self._changed = False
        self._begun: set[str] = set()
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            data = self._folder.read(path.name, _MAX_BYTES)
            self._rates = msgspec.json.decode(data, type=dict[str, float]) if data else {}

    def learn(self, name: str, audio_s: float, seconds: float) -> None:
        """Remember how long a performance took; what a generator's first one in a build waits for counts apart."""
        maker = name.split(" ")[0]
        seconds -= 0.0 if maker in self._begun else _start_s(maker)
        self._begun.add(maker)
        if audio_s <= 0 or seconds <= 0:
            return
        rate = seconds / audio_s
        self._rates[name] = _MEMORY * self._rates.get(name, rate) + (1 - _MEMORY) * rate
        self._changed = True

    def save(self) -> None:
        """Write what was learned; not being able to is no reason to fail a build."""
        if self._changed:
            with contextlib.suppress(OSError):
                self._folder.write(self._path.name, msgspec.json.encode(self._rates, order="sorted"))

    def step_s(self, step: Step) -> float:
        """How long one step will take on one core."""
        return self._performing_s(step) + self._finishing_s(step)

    def _performing_s(self, step: Step) -> float:
        """All takes that are to be performed."""
        if step.action != "generate":
            return 0.0
        brief = step.recipe.brief
        known = self._rates.get(rate_name(brief))
        own = known * brief.duration_s if known else generator(brief.generator).estimate_s(brief)
        return own * len(step.perform)

    def _finishing_s(self, step: Step) -> float:
        if step.action not in ("generate", "finish", "encode"):
            return 0.0
        return self._rates.get(FINISHING, _FINISHING_S_PER_S) * step.recipe.brief.duration_s * pieces(step)

    def total_s(self, steps: Iterable[Step], jobs: int) -> float:
        """How long these steps will take together: all cores busy, but never less than the longest one, nor than
        what one worker performs alone."""
        steps = list(steps)
        times = [self.step_s(step) for step in steps]
        start_s = _START_S if any(times) else 0.0
        return start_s + max(sum(times) / jobs, max(times, default=0.0), self._alone_s(steps))

    def _alone_s(self, steps: Iterable[Step]) -> float:
        """Generators that like batches perform in one worker, one batch after the other, and the last slot is
        finished after that."""
        mine = [step for step in steps if step.perform and _in_one_worker(step.recipe.brief.generator)]
        makers = {step.recipe.brief.generator for step in mine}
        performing_s = sum(map(_start_s, makers)) + sum(map(self._performing_s, mine))
        return performing_s + max(map(self._finishing_s, mine), default=0.0)


def _in_one_worker(maker: str) -> bool:
    resources = generator(maker).resources
    return resources.gpu or resources.batch > 1


def _start_s(maker: str) -> float:
    """What a generator's first performance waits for."""
    return 0.0 if maker == FINISHING else generator(maker).resources.start_s
