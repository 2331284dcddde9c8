"""Threads of their own for what must not wait behind the checking of contents: commands, cancels, lists of brakes."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="urgent")


async def urgently(call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Run `call` on one of the urgent threads; what it raises is raised here."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: context.run(call, *arguments, **named))
