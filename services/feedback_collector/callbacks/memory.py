"""Which calls are known already: a platform repeats what it thinks unheard, an attacker what he once overheard."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Literal

REPEATED_WITHIN = timedelta(minutes=10)  # platforms repeat within a minute; later ones are not theirs
MOST_KEPT = 500_000

Standing = Literal["new", "repeated", "replayed"]


class Memory:
    """Identities of calls by when they first came, and what each proof stood for. Thread-safe; machine time."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._first: OrderedDict[str, datetime] = OrderedDict()
        self._proven: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, identity: str, proof: str, at: datetime) -> None:
        """This call is on the log; the oldest are forgotten where there are too many."""
        with self._lock:
            self._first.setdefault(identity, at)
            if proof:
                self._proven.setdefault(proof, identity)
            for kept in (self._first, self._proven):
                while len(kept) > self._most:
                    kept.popitem(last=False)

    def standing(self, identity: str, proof: str, now: datetime) -> Standing:
        """What a call is that comes now. Another call under a known proof is a replay with other words in it."""
        with self._lock:
            if proof and self._proven.get(proof, identity) != identity:
                return "replayed"
            first = self._first.get(identity)
        if first is None:
            return "new"
        return "repeated" if now - first <= REPEATED_WITHIN else "replayed"
