"""Runs the simulator in the foreground until it is told to stop, and says where it is and whom it accepts."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from services.adapter.contract.accounts import Accounts, AccountsError, load_accounts
from services.simulator.audience.cascades import CascadeAudience, CascadeError
from services.simulator.audience.reactions import Audience
from services.simulator.audience.seeded import SeededAudience
from services.simulator.http.refusal import AdminError
from services.simulator.http.server import SimulatorError, SimulatorServer
from services.simulator.http.webhooks import callback_address
from services.simulator.settings import SimulatorSettings
from services.simulator.world.platform_world import CALLBACK_URL

CLEAN, WRONG_SETTINGS = 0, 2


def _print(line: str) -> None:
    """Seen at once, also where standard output is a file."""
    print(line, flush=True)


def run(
    settings: SimulatorSettings,
    *,
    env: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = _print,
    stop: threading.Event | None = None,
) -> int:
    """Serve until SIGINT, SIGTERM or `stop` (where given, signals are the caller's); returns the exit code."""
    try:
        accounts = _called_back(load_accounts(settings.accounts, env), settings.callbacks)
        server = SimulatorServer(
            accounts,
            port=settings.port,
            audience=_audience(settings, accounts),
            seed=settings.seed,
            speed=settings.speed,
        )
        _refuse_broken(server)
        with server:
            say(_greeting(server, accounts, hide_secrets=settings.hide_secrets))
            (stop or _stop_on_signals()).wait()
    except (AccountsError, CascadeError, AdminError, SimulatorError) as problem:
        say(str(problem))
        return WRONG_SETTINGS
    return CLEAN


def _called_back(accounts: Accounts, base: str | None) -> Accounts:
    """Every account with the address that the receiver of callbacks has for it, where it has none of its own."""
    if base is None:
        return accounts
    return Accounts(
        tuple(
            replace(one, options={CALLBACK_URL: callback_address(base, one.platform, one.account), **one.options})
            for one in accounts
        )
    )


def _audience(settings: SimulatorSettings, accounts: Accounts) -> Audience:
    if settings.audience is None:
        return SeededAudience(settings.seed)
    return CascadeAudience(settings.audience, [(account.platform, account.account) for account in accounts])


def _refuse_broken(server: SimulatorServer) -> None:
    if server.broken:
        named = "；".join(f"{platform}: {reason}" for platform, reason in server.broken.items())
        raise SimulatorError(f"这些平台的模拟器无法加载 / simulated platforms that do not load: {named}")


def _greeting(server: SimulatorServer, accounts: Accounts, *, hide_secrets: bool) -> str:
    lines = [f"平台模拟器 / simulator: {server.url}   管理 / admin: {server.url}/_sim/info"]
    for platform, own_port in server.addresses().items():
        lines.append(f"  {platform}: {server.url}/{platform}   独立端口 / own port: {own_port}")
        lines += [
            f"    {one.account}  app_id={one.app_id}  app_secret={'***' if hide_secrets else one.app_secret}"
            f"  open_id={one.open_id}"
            for one in accounts.of(platform)
        ]
    return "\n".join(lines)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
