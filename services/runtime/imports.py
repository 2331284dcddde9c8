"""Keeps out of a process what its libraries would load and nobody uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def left_out(module: str, **names: object) -> Iterator[None]:
    """While it lasts, importing this gives only these names; without any it fails, as if it were not installed.

    What is loaded already stays, and afterwards code that really needs it can load it.
    """
    if module in sys.modules:
        yield
        return
    stand_in = None
    if names:
        stand_in = ModuleType(module)
        vars(stand_in).update(names)
    sys.modules[module] = stand_in  # type: ignore[assignment]  # None: the import system raises ImportError
    try:
        yield
    finally:
        del sys.modules[module]
