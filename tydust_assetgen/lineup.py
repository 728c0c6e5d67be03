"""Who waits for whom. In walk orders, out walk those that can begin; as slots end, those that waited for them."""

from __future__ import annotations

from collections.abc import Iterable

from tydust_assetgen.orders import Order


class Lineup:
    """Orders of which some follow others: they begin when what they follow is made."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._waiting = {order.step.slot: order for order in orders}
        self._open = set(self._waiting)

    def begin(self) -> list[Order]:
        """Those that wait for nobody, each once."""
        ready = [order for order in self._waiting.values() if not order.follows & self._open]
        for order in ready:
            del self._waiting[order.step.slot]
        return ready

    def made(self, slot: str) -> list[Order]:
        """A slot is made: those that can begin now."""
        self._open.discard(slot)
        return self.begin()

    def failed(self, slot: str) -> list[Order]:
        """A slot failed: those that waited for it, one behind the other, and can never begin."""
        lost = [order for order in self._waiting.values() if slot in order.follows]
        for order in lost:
            del self._waiting[order.step.slot]
        return [*lost, *(further for order in lost for further in self.failed(order.step.slot))]
