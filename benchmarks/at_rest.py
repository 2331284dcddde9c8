"""What the pipeline costs while nothing happens: CPU seconds a minute of each service and of the broker.

`python -m benchmarks.at_rest [--seconds N] [--json FILE]` starts `tongbo up` in a folder of its own, waits until it is
settled and measures. Services, broker, and what runs beside them (simulator, supervisor) are added up apart. Then, on a
pipeline of its own, how soon a call leaves after a pause and how soon a brake holds: rest must not make them slower.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fan_out import woken
from benchmarks.runs.processes import ProcessTree

ROOT = Path(__file__).parents[1]
SUPERVISOR = "supervisor"
BESIDE = frozenset({"simulator-0", SUPERVISOR})
BROKER = "kafka-0"
SETTLED_S = 60.0  # by then the broker's compiler has done its work


def measure(seconds: float, settled_s: float = SETTLED_S) -> dict[str, float]:
    """CPU seconds a minute by process name, while nothing is published."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        environment = os.environ | {"TONGBO_HOME": str(home)}
        tongbo = [sys.executable, "-m", "services.cli.main"]
        subprocess.run([*tongbo, "up"], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            time.sleep(settled_s)
            roots = {path.stem: int(path.read_text()) for path in (home / "run").glob("*.pid")}
            before, began = _spent(roots), time.monotonic()
            time.sleep(seconds)
            passed = time.monotonic() - began
            return {name: (spent - before[name]) * 60 / passed for name, spent in sorted(_spent(roots).items())}
        finally:
            subprocess.run([*tongbo, "down"], cwd=ROOT, env=environment, check=False, stdout=subprocess.DEVNULL)


def totals(spent: dict[str, float]) -> dict[str, float]:
    """Services together, the broker, and what runs beside them, in CPU seconds a minute."""
    services = sum(value for name, value in spent.items() if name not in BESIDE and name != BROKER)
    return {
        "services": services,
        "broker": spent[BROKER],
        "beside": sum(value for name, value in spent.items() if name in BESIDE),
    }


def _spent(roots: dict[str, int]) -> dict[str, float]:
    """CPU seconds so far of each process with its children; of the supervisor, whose children they all are, its own."""
    spent = {name: ProcessTree([pid]).cpu_s() for name, pid in roots.items()}
    spent[SUPERVISOR] -= sum(value for name, value in spent.items() if name != SUPERVISOR)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.at_rest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="测量多少秒 / how long to measure")
    parser.add_argument("--json", type=Path, help="结果文件 / where to write the figures")
    options = parser.parse_args()
    print(
        f"启动流水线，等待 {SETTLED_S:.0f} 秒，测量 {options.seconds:.0f} 秒 / starting, settling, measuring",
        flush=True,
    )
    spent = measure(options.seconds)
    for name, value in (spent | totals(spent)).items():
        print(f"{name:28} {value:6.2f} CPU s/min")
    with tempfile.TemporaryDirectory() as folder:
        after = woken.measure(Path(folder) / "woken")
    print(json.dumps(after, indent=1))
    if options.json:
        found = {"processes": spent, "totals": totals(spent), "woken": after}
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
