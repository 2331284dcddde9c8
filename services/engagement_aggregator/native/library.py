"""The compiled library by cffi: `ffi` and `lib`, declared by native.h itself."""

from __future__ import annotations

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
