"""`python -m services.runtime.embedded_broker.tools NAME …`: Kafka's own tools without a Kafka installation.

The arguments go to the Java program as they are; it takes the place of this process.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from services.runtime.embedded_broker.jars import JarsUnavailable, fetch_tools, java, java_environment
from services.runtime.safe_text import safe

PROGRAMS = {
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "connect-standalone": "org.apache.kafka.connect.cli.ConnectStandalone",
}


def command(name: str, arguments: list[str]) -> list[str]:
    """The command line of a tool; raises JarsUnavailable."""
    jars = fetch_tools(lambda line: print(safe(line), file=sys.stderr, flush=True))
    class_path = os.pathsep.join(str(jar) for jar in jars)
    return [str(java()), "-Xmx256m", "-XX:+UseSerialGC", "-cp", class_path, PROGRAMS[name], *arguments]


def main() -> NoReturn:
    if len(sys.argv) < 2 or sys.argv[1] not in PROGRAMS:
        print(f"用法 / usage: {__spec__.name} {{{' | '.join(PROGRAMS)}}} …", file=sys.stderr)
        sys.exit(2)
    try:
        program = command(sys.argv[1], sys.argv[2:])
    except JarsUnavailable as problem:
        print(safe(str(problem)), file=sys.stderr)
        sys.exit(1)
    os.execve(program[0], program, java_environment())  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main()
