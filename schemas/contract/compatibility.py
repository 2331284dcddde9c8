"""`python -m schemas.contract.compatibility` compares the event types with the last release; `--release` makes one."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas.codec import DecodeError, decoder
from schemas.contract.comparison import Break, breaks
from schemas.contract.snapshot import RELEASED, Snapshot, readable_name, released, snapshot_today, written
from schemas.contract.topic_files import TopicFileError

_WAY_OUT = (
    "出路：不改旧字段，加一个有默认值的新字段；含义变了就用新的类型或新的主题。\n"
    "Way out: leave the old field, add one with a default; for another meaning use a new type or a new topic."
)


def unreadable(snapshot: Snapshot) -> list[Break]:
    """The examples of a release that today's readers refuse."""
    found = []
    for topic_name, examples in sorted(snapshot["examples"].items()):
        for name, record in sorted(examples.items()):
            try:
                decoder(readable_name(topic_name))(json.dumps(record, ensure_ascii=False).encode())
            except DecodeError as error:
                where = f"{topic_name}/{name}.{error.field}"
                found.append(Break(where, "example_unreadable", f"旧样例读不了：{error.message}", error.message_en))
            except TopicFileError:
                continue  # the missing topic is a break of its own
    return found


def against(baselines: Sequence[Path], today: Snapshot) -> list[Break]:
    """Every break: the newest baseline by its promises, all of them by their examples."""
    snapshots = [json.loads(path.read_bytes()) for path in baselines]
    found = breaks(snapshots[-1], today) if snapshots else []
    return found + [each for snapshot in snapshots for each in unreadable(snapshot)]


def release(today: Snapshot, folder: Path = RELEASED) -> Path:
    """Write the next baseline."""
    known = released(folder)
    path = folder / f"{int(known[-1].stem) + 1 if known else 1}.json"
    folder.mkdir(exist_ok=True)
    path.write_text(written(today), encoding="utf-8")
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """0 = compatible, 1 = breaking, 2 = nothing to compare with."""
    options = _parser().parse_args(arguments)
    baselines = [options.against] if options.against else released()
    missing = [path for path in baselines if not path.exists()]
    if missing or not (baselines or options.release):
        wanted = missing[0] if missing else RELEASED
        print(f"找不到发布基线 {wanted}：先用 --release 写一份 / no released baseline", file=sys.stderr)
        return 2
    today = snapshot_today()
    found = against(baselines, today)
    if found:
        print(f"不兼容的改动 {len(found)} 处 / breaking changes:", file=sys.stderr)
        print(*(f"  - {each}" for each in found), _WAY_OUT, sep="\n", file=sys.stderr)
        return 1
    if options.release:
        print(f"已写入 / written: {release(today)}")
    else:
        print(f"与 {baselines[-1].name} 兼容 / compatible with the released baseline")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m schemas.contract.compatibility",
        description="事件类型与主题的兼容性检查 / compatibility of event types",
    )
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="基线，默认最新一份 / baseline, default the newest"
    )
    parser.add_argument(
        "--release", action="store_true", help="兼容时写入新基线 / write the next baseline if compatible"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
