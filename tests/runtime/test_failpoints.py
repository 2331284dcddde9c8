"""A process that is told to freeze at a point does not go one step beyond it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMES = 15
# The kernel gives a signal for the process to the main thread, where it can. Here that one waits long for its turn.
_FREEZES = """
import os, sys, threading, time
from pathlib import Path
from services.runtime.failpoints import reached

file, busy, free = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
main_waits = threading.Event()

def call():
    os.sched_setaffinity(0, {free})
    main_waits.wait()
    time.sleep(0.1)
    reached("calling")
    file.write_text("went on")

threading.Thread(target=call, daemon=True).start()
os.sched_setaffinity(0, {busy})
os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
main_waits.set()
time.sleep(60)
"""


def test_the_thread_that_comes_to_the_point_stops_there_also_while_the_main_thread_waits_for_its_turn(
    tmp_path: Path,
) -> None:
    cores = sorted(os.sched_getaffinity(0))
    busy, free, file = cores[0], cores[-1], tmp_path / "went-on"
    keeps_busy = f"import os\nos.sched_setaffinity(0, {{{busy}}})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", keeps_busy]) as other:
        try:
            for _ in range(TIMES):
                command = [sys.executable, "-c", _FREEZES, str(file), str(busy), str(free)]
                with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TONGBO_FREEZE_AT": "calling"}) as frozen:
                    try:
                        assert os.waitid(os.P_PID, frozen.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                        assert not file.exists()
                    finally:
                        frozen.kill()
        finally:
            other.kill()
