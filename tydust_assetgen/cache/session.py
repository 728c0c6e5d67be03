"""The shared cache during one build: downloads before the work, uploads as slots are made."""

from __future__ import annotations

import queue

from tydust_assetgen import events
from tydust_assetgen.cache.config import Settings
from tydust_assetgen.cache.download import Downloader
from tydust_assetgen.cache.upload import LONGEST_WAIT_S, Sent, Uploader
from tydust_assetgen.planning.plan import Plan, Step
from tydust_assetgen.project.project import Project
from tydust_assetgen.remote.remote import Remote


class CacheSession:
    """The remotes of one build, each of which warns at most once. Events are told by the calling thread alone."""

    def __init__(
        self, project: Project, settings: Settings, tell: events.Emit, resting: dict[str, float] | None = None
    ) -> None:
        self._tell = tell
        self._warnings: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.remotes = tuple(
            Remote(address, project.root, settings.timeout_s, lambda *words: self._warnings.put(words), resting)
            for address in settings.remotes
        )
        self._downloader = Downloader(project.store, self.remotes, settings.secret)
        self._uploader = None if settings.read_only else Uploader(project.store, self.remotes, settings.secret)

    def download(self, plan: Plan) -> bool:
        """Look for what is to be made; whether anything was found. What a person forces is made, and not looked for."""
        steps = tuple(step for step in plan.work if _wanted(step))
        found = 0
        if steps:
            self._tell(events.Fetching(slots=len(steps)))
        for done, (_, came) in enumerate(self._downloader.download(steps), 1):
            found += came
            received = sum(remote.received for remote in self.remotes)
            self._tell(events.Fetching(slots=len(steps), done=done, found=found, received_bytes=received))
            self._say_warnings()
        return bool(found)

    def upload(self, step: Step) -> None:
        """A slot was made here: send it while the build goes on."""
        if self._uploader is not None:
            self._uploader.send(step.keys)
        self._say_warnings()

    def finish(self, limit_s: float | None = None) -> Sent:
        """Wait for what is still to be sent: a moment, or, before the process ends, so long as may be needed."""
        if self._uploader is None:
            return Sent()
        if waiting := self._uploader.open:
            self._tell(events.Sending(waiting=waiting))
        sent = self._uploader.finish(LONGEST_WAIT_S if limit_s is None else limit_s)
        self._say_warnings()
        if self._uploader.open and limit_s is None:
            words = f"{self._uploader.open} records were not sent to the cache within {LONGEST_WAIT_S:g} s"
            self._tell(events.Warned(message=words, hint="`assetgen cache push` sends them later"))
        return sent

    def _say_warnings(self) -> None:
        while not self._warnings.empty():
            message, hint = self._warnings.get()
            self._tell(events.Warned(message=message, hint=hint))


def _wanted(step: Step) -> bool:
    forced = any(reason.kind == "forced" for reason in step.reasons)
    return not forced and any(output.action == "make" for output in step.outputs)
