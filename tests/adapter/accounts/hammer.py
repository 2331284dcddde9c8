"""A process that reads from a platform as fast as it can for a while, with the tokens and budgets of its machine."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from services.adapter.accounts.on_this_machine import shared_on_this_machine
from services.adapter.contract.accounts import load_accounts
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.registry import adapter

READS: dict[str, Any] = {
    "douyin": lambda client: client.video_list(0, 1),
    "wechat": lambda client: client.published(),
    "weibo": lambda client: client.user_timeline(),
}
PAUSE_S = 0.01


def main(accounts: str, simulator: str, state: str, platform: str, account: str, start_at: str, seconds: str) -> None:
    declared = load_accounts(Path(accounts), os.environ, simulator).get(platform, account)
    assert declared is not None
    found = adapter(platform)
    client = found.client(declared, 60.0, shared_on_this_machine(Path(state), "feedback")(found, declared))
    time.sleep(max(0.0, float(start_at) - time.time()))
    ends, outcomes = time.monotonic() + float(seconds), Counter[str]()
    while time.monotonic() < ends:
        try:
            READS[platform](client)
            outcomes["ok"] += 1
        except PlatformError as error:
            outcomes[error.error_class] += 1
        time.sleep(PAUSE_S)
    print(" ".join(f"{name}={count}" for name, count in outcomes.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
