"""`python -m services.runtime.embedded_broker`: the broker in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from services.runtime.embedded_broker.broker import BrokerFailed, EmbeddedBroker
from services.runtime.embedded_broker.jars import JarsUnavailable
from services.runtime.safe_text import safe


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m services.runtime.embedded_broker",
        description="在本机运行真正的 Apache Kafka（开发与演示用）/ the real Apache Kafka broker, for development",
    )
    parser.add_argument("--data-dir", type=Path, default=Path(".tongbo/kafka"), help="数据目录 / data directory")
    parser.add_argument("--port", type=int, default=9092, help="端口，0 = 任意 / port, 0 = any free one")
    parser.add_argument("--log-dir", type=Path, help="日志目录 / log directory (default: inside the data directory)")
    options = parser.parse_args(arguments)

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    broker = EmbeddedBroker(options.data_dir, options.port, options.log_dir)
    try:
        broker.start(say=lambda line: print(safe(line), file=sys.stderr, flush=True))
    except (BrokerFailed, JarsUnavailable) as problem:
        print(safe(str(problem)), file=sys.stderr)
        return 1
    print(f"kafka {broker.bootstrap} pid {broker.pid}", flush=True)
    while not ended.wait(0.5):
        if not broker.running:
            print(f"Kafka 意外退出 / the broker ended by itself, see its log ({broker.wait()})", file=sys.stderr)
            return 1
    broker.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
