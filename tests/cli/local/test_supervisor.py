"""Processes under the supervisor: what dies comes back, what is stubborn ends, and nothing outlives its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.cli.local.holds import HeldError, held, hold
from services.cli.local.layout import Layout
from services.cli.local.session import AlreadyRunningError, end, owner_of, ownership
from services.cli.local.supervisor import Child, Supervisor
from tests.waiting import wait_for

PATIENCE_S = 60.0
ROOT = Path(__file__).resolve().parents[3]


def sleeper(name: str, n: int = 0, code: str = "") -> Child:
    """A process that lasts; `code` runs before it sleeps, `ready` appears in its log after that."""
    return Child(name, n, [sys.executable, "-uc", f"import signal, time\n{code}\nprint('ready')\ntime.sleep(600)"])


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "run", tmp_path / "log", said.append, stop_within_s=1.0)
    yield made
    made.stop()


def pid_in(tmp_path: Path, name: str) -> int:
    return int((tmp_path / "run" / f"{name}.pid").read_text())


def test_a_killed_child_is_started_again_and_its_pid_file_follows(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervisor.start(sleeper("collector"))
    before = pid_in(tmp_path, "collector-0")
    os.kill(before, signal.SIGKILL)

    def restarted() -> bool:
        supervisor.watch()
        return supervisor.restarts("collector-0") == 1

    wait_for(restarted, "a restart")
    after = pid_in(tmp_path, "collector-0")
    assert after != before
    assert psutil.pid_exists(after)
    assert any("信号 9" in line for line in said)
    assert any("已重启" in line for line in said)


def test_what_keeps_dying_is_restarted_ever_more_slowly(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start(Child("broken", 0, [sys.executable, "-c", "raise SystemExit(7)"]))

    def thrice() -> bool:
        supervisor.watch()
        return sum("退出码 7" in line for line in said) >= 3

    wait_for(thrice, "three endings")
    pauses = [line.partition("，")[2].partition(" ")[0] for line in said if "退出码 7" in line]
    assert pauses[:3] == ["0.5", "1", "2"]


def test_a_restart_says_what_it_costs(supervisor: Supervisor, tmp_path: Path, said: list[str]) -> None:
    child = Child("simulator", 0, sleeper("simulator").command, loses="数据已清空 / its data are gone")
    supervisor.start(child)
    os.kill(pid_in(tmp_path, "simulator-0"), signal.SIGKILL)

    def told() -> bool:
        supervisor.watch()
        return any("数据已清空" in line for line in said)

    wait_for(told, "the word about lost data")


def test_a_child_that_ignores_sigterm_is_killed_and_its_pid_file_removed(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    child = sleeper("stubborn", code="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    supervisor.start(child)
    wait_for(lambda: b"ready" in supervisor.log_of(child).read_bytes(), "the child refuses SIGTERM")
    pid = pid_in(tmp_path, "stubborn-0")
    supervisor.stop()
    assert not psutil.pid_exists(pid)
    assert list((tmp_path / "run").glob("*.pid")) == []
    assert any("强制结束" in line for line in said)


def test_children_stopped_together_share_one_deadline(tmp_path: Path, said: list[str]) -> None:
    supervisor = Supervisor(tmp_path / "run", tmp_path / "log", said.append, stop_within_s=6.0)
    stubborn = [sleeper("stubborn", n, "signal.signal(signal.SIGTERM, signal.SIG_IGN)") for n in range(3)]
    try:
        for child in stubborn:
            supervisor.start(child)
        for child in stubborn:
            wait_for(lambda child=child: b"ready" in supervisor.log_of(child).read_bytes(), "a child refuses SIGTERM")  # type: ignore[misc]
        began = time.monotonic()
        supervisor.stop_together([child.name for child in stubborn])
        assert time.monotonic() - began < 15, "one after the other they would have had 18 seconds"
    finally:
        supervisor.stop()


def test_a_new_start_keeps_the_log_of_the_run_before(supervisor: Supervisor, tmp_path: Path) -> None:
    for words in ("first", "second"):
        child = Child("talker", 0, [sys.executable, "-uc", f"print('{words}')"])
        supervisor.start(child)
        wait_for(lambda: supervisor.exited("talker-0") == 0, "it has spoken")
        supervisor.stop()
    assert (tmp_path / "log" / "talker-0.log").read_text() == "second\n"
    assert (tmp_path / "log" / "talker-0.log.1").read_text() == "first\n"


def test_last_words_are_those_for_people(supervisor: Supervisor) -> None:
    child = Child("talker", 0, [sys.executable, "-uc", "print('{\"event\": 1}'); print('文件第 2 行有误')"])
    supervisor.start(child)
    wait_for(lambda: supervisor.exited("talker-0") == 0, "it has spoken")
    assert supervisor.last_words(child) == "文件第 2 行有误"


def test_what_is_held_rests_until_its_holder_ends_even_by_kill_and_nothing_else_does(
    tmp_path: Path, said: list[str]
) -> None:
    layout = Layout(home=tmp_path)
    supervisor = Supervisor(layout.run, layout.log, said.append, held=lambda: held(layout), stop_within_s=5.0)
    for name in ("collector", "folder"):
        supervisor.start(sleeper(name))
    before, other = pid_in(tmp_path, "folder-0"), pid_in(tmp_path, "collector-0")
    program = f"""
        import time
        from pathlib import Path
        from services.cli.local.holds import hold
        from services.cli.local.layout import Layout
        with hold(Layout(home=Path({str(tmp_path)!r})), "folder"):
            print("held", flush=True)
            time.sleep(600)
    """
    try:
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, cwd=ROOT
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(HeldError, match="folder"), hold(layout, "folder"):
                raise AssertionError("two holders")
            for _ in range(3):  # looked at again and again it stays away
                supervisor.watch()
                assert not psutil.pid_exists(before)
                assert not (layout.run / "folder-0.pid").exists()
            holder.kill()
        supervisor.watch()
        assert psutil.pid_exists(pid_in(tmp_path, "folder-0"))
        assert pid_in(tmp_path, "collector-0") == other
        assert not any("意外退出" in line for line in said), "nothing died by itself"
    finally:
        supervisor.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent was killed")
def test_children_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    program = f"""
        import sys, time
        from pathlib import Path
        from services.cli.local.supervisor import Child, Supervisor
        supervisor = Supervisor(Path({str(tmp_path)!r}) / "run", Path({str(tmp_path)!r}) / "log", print)
        for n in range(2):
            supervisor.start(Child("worker", n, [sys.executable, "-c", "import time; time.sleep(600)"]))
        print("started", flush=True)
        time.sleep(600)
    """
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, cwd=ROOT)
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"started\n"
        children = [pid_in(tmp_path, f"worker-{n}") for n in range(2)]
        owner.kill()
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in children), "both children have ended")


def test_one_pipeline_per_folder(tmp_path: Path) -> None:
    layout = Layout(home=tmp_path)
    with ownership(layout, print):
        assert owner_of(layout) == os.getpid()
        with pytest.raises(AlreadyRunningError, match=str(os.getpid())), ownership(layout, print):
            raise AssertionError("two owners")
    assert owner_of(layout) is None
    assert not layout.supervisor_pid.exists()


def test_a_pid_file_of_a_dead_owner_holds_nobody_up(tmp_path: Path) -> None:
    layout = Layout(home=tmp_path)
    layout.run.mkdir()
    layout.supervisor_pid.write_text(f"{os.getpid()}\n")  # the number is somebody else's by now: ours
    assert owner_of(layout) is None
    with ownership(layout, print):
        assert owner_of(layout) == os.getpid()


def test_a_pid_file_whose_number_belongs_to_another_program_kills_nothing(tmp_path: Path) -> None:
    layout = Layout(home=tmp_path)
    layout.run.mkdir()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        (layout.run / "publisher-0.pid").write_text(f"{stranger.pid}\n")
        assert not end(layout, print)
        assert stranger.poll() is None
        assert not (layout.run / "publisher-0.pid").exists()
        stranger.kill()


def test_what_a_killed_owner_left_is_ended_before_the_next_run(tmp_path: Path, said: list[str]) -> None:
    layout = Layout(home=tmp_path)
    layout.run.mkdir()
    # a process that looks like a service of ours and does not know that its owner is gone
    program = "import time; time.sleep(600)  # services.publisher"
    with subprocess.Popen([sys.executable, "-c", program]) as orphan:
        (layout.run / "publisher-0.pid").write_text(f"{orphan.pid}\n")
        layout.addresses.write_text("{}")
        with ownership(layout, said.append):
            assert orphan.poll() is not None or orphan.wait(PATIENCE_S) is not None
            assert not layout.addresses.exists()
    assert any("遗留" in line for line in said)
