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

# A scan takes half a millisecond. cffi would give the interpreter's lock away meanwhile, and having it back from the
# thread that fetches costs more than the scan: a fifth of all CPU of a worker.
scan: Any = ctypes.PyDLL(str(LIBRARY)).tb_scan
scan.restype = ctypes.c_int
scan.argtypes = [*[ctypes.c_void_p] * 3, ctypes.c_int64, *[ctypes.c_void_p] * 2, ctypes.c_int64]


def address(pointer: Any) -> int:
    """Of what cffi points at, for `scan`."""
    return int(ffi.cast("intptr_t", pointer))
