"""Has the simulated platforms check the callback addresses of their accounts, as a console does when one is entered."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from services.runtime.logging import get_logger

CHECK = "check_address"

log = get_logger(__name__)


def check_addresses(simulator: str) -> int:
    """How many accounts were asked for; the answers come by the callbacks themselves. A platform may have no check."""
    asked = 0
    try:
        for account in _asked(f"{simulator}/_sim/accounts"):
            said = {"platform": account["platform"], "account": account["account"], "act": CHECK}
            try:
                _asked(f"{simulator}/_sim/acts", said)
                asked += 1
            except HTTPError:
                log.info("callback_address_not_checked", platform=account["platform"], account=account["account"])
    except (URLError, OSError) as problem:  # it may just be starting again; the demo does not depend on it
        log.warning("callback_addresses_not_checked", cause=repr(problem))
    return asked


def _asked(url: str, said: dict[str, Any] | None = None) -> Any:
    data = None if said is None else json.dumps(said).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=5) as response:  # noqa: S310 - our own
        return json.load(response)
