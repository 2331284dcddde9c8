"""`python -m services.simulator`: the simulated platforms as a process of their own."""

from __future__ import annotations

import sys

from services.runtime.logging import configure_logging
from services.simulator.run import run
from services.simulator.settings import parse


def main() -> int:
    settings = parse()
    configure_logging("simulator", "0")
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
