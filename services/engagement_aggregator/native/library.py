"""The compiled library by cffi: `ffi` and `lib`, declared by native.h itself."""

from __future__ import annotations

import ctypes
from typing import Any

from cffi import FFI

from services.engagement_aggregator.native.source import FOLDER, LIBRARY


def declarations() -> str:
    """native.h without what only a C compiler needs."""
    lines = (FOLDER / "native.h").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def opened(path: str) -> tuple[Any, Any]:
    """ffi and library of a compiled file."""
    made = FFI()
    made.cdef(declarations())
    return made, made.dlopen(path)


if not LIBRARY.exists():
    raise ImportError(
        "汇总服务的 C 部分还没有编译，请运行 make setup"
        " / the aggregator's C part has not been compiled for this machine and these sources: run `make setup`"
    )
ffi, lib = opened(str(LIBRARY))


def _holding(name: str, result: Any, *arguments: Any) -> Any:
    """A function that keeps the interpreter's lock.

    cffi would give the lock away meanwhile, and having it back from the thread that fetches costs more than half a
    millisecond of work: for scans it was a fifth of all CPU of a worker.
    """
    function = getattr(ctypes.PyDLL(str(LIBRARY)), name)
    function.restype, function.argtypes = result, arguments
    return function


_address, _number = ctypes.c_void_p, ctypes.c_int64
scan = _holding("tb_scan", ctypes.c_int, _address, _address, _address, _number, _address, _address, _number)
rows_size = _holding("tb_rows_size", _number, _address, _number)
plan_batch = _holding("tb_batch_plan", None, _address, _number, _number, _address)
write_batch = _holding("tb_batch_write", _number, _address, _address, _number, _number, _address, _number)


def address(pointer: Any) -> int:
    """Of what cffi points at, for functions that keep the lock."""
    return int(ffi.cast("intptr_t", pointer))
