"""Compiles the C of this folder: `python -m services.engagement_aggregator.native.build`, which `make` does by itself.

By the machine's own compiler, or where there is none by one from PyPI that is fetched for the moment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from services.engagement_aggregator.native.source import FOLDER, LIBRARY, LOCK, sources

_FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-Wall", "-Wextra")


def compiler() -> list[str] | None:
    """The machine's own; $CC first."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return [name]
    return None


def build(command: list[str], into: Path, *more: str) -> None:
    """Compile and put the library in its place whole, also when another process builds it at the same time."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as folder:
        made = Path(folder) / into.name
        files = [str(path) for path in sources() if path.suffix == ".c"]
        subprocess.run([*command, *_FLAGS, *more, "-o", str(made), *files], check=True)
        made.replace(into)


def main() -> None:
    if LIBRARY.exists():
        return
    for old in LIBRARY.parent.glob("*.so"):
        old.unlink()
    began = time.monotonic()
    if own := compiler():
        print("编译汇总用的 C 库 / compiling the aggregator's C …", file=sys.stderr)
        build(own, LIBRARY)
    else:
        print("没有 C 编译器，临时下载一个 / no C compiler, fetching one for the moment (100 MB) …", file=sys.stderr)
        _build_with_a_fetched_compiler()
    print(f"C 库已就绪，用时 {time.monotonic() - began:.0f} 秒 / the C library is built", file=sys.stderr)


def _build_with_a_fetched_compiler() -> None:
    with tempfile.TemporaryDirectory() as folder:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder]
        subprocess.run([*install, "--require-hashes", "--no-deps", "-r", str(FOLDER / LOCK)], check=True)
        os.environ["PYTHONPATH"] = folder
        build([sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"], LIBRARY)


if __name__ == "__main__":
    main()
