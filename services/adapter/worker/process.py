"""The process of one adapter: its settings, the accounts it may use, and the consume loop with the worker in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from schemas.codec import encode
from schemas.events.capability import AccountCapability
from schemas.events.placement import PlacementRecord
from services.adapter.accounts.credentials import FOLDER, FileCredentials
from services.adapter.accounts.monitor import AccountMonitor
from services.adapter.accounts.on_this_machine import SharedOf, shared_on_this_machine
from services.adapter.commands.feed import CONTENT_TOPIC, CommandFeed
from services.adapter.commands.freshness import Freshness
from services.adapter.commands.view import CommandView
from services.adapter.contract.accounts import Account, Accounts, AccountsError, load_accounts
from services.adapter.contract.adapter import Adapter, Timing
from services.adapter.contract.registry import adapter
from services.adapter.media.verified import VerifiedMedia
from services.adapter.wire.callback_follower import CallbackFollower
from services.adapter.worker.call_pool import CallPool
from services.adapter.worker.callback_hints import CallbackHints
from services.adapter.worker.caller import Caller
from services.adapter.worker.recorder import LEDGER_TOPIC
from services.adapter.worker.stage import AdapterStage, WorkerIdentity
from services.runtime.consume import ConsumeLoop, TopicSubscription
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.reader import read_partition
from services.runtime.kafka.records import Outgoing
from services.runtime.main import ServiceContext, run_service
from services.runtime.settings import ServiceSettings, SettingProblem, SettingsError, setting

CAPABILITY_TOPIC = "platform-capability"
_TURN_S = 0.001  # dozens of threads make calls: the loop that commits their records must not wait 5 ms for each turn

_decode_record = msgspec.json.Decoder(PlacementRecord).decode


@dataclass(frozen=True, kw_only=True)
class AdapterSettings(ServiceSettings):
    """Settings of every adapter; the timing ones replace the platform's own only where they are set."""

    simulator_url: str | None = setting(
        None, meaning="平台模拟器地址；设置后没有 base_url 的账号都连到它 / simulator for accounts without a base_url"
    )
    most_calls: int = setting(128, at_least=1, meaning="同时进行的平台调用数 / platform calls at the same time")
    look_after_s: float | None = setting(
        None, at_least=0, meaning="结果未知后多少秒开始查找 / seconds until the first look after an unknown outcome"
    )
    look_every_s: float | None = setting(None, at_least=0, meaning="两次查找的间隔 / seconds between looks")
    follow_every_s: float | None = setting(
        None, at_least=0, meaning="查询审核状态的间隔 / seconds between status polls"
    )
    call_timeout_s: float | None = setting(None, at_least=0.1, meaning="一次调用最长多少秒 / longest call in seconds")
    fresh_within_s: float = setting(
        0.5,
        at_least=0.1,
        meaning="确认听到全部指令后多少秒内可以发布 / seconds a view of all commands is good for",
    )
    watch_every_s: float | None = setting(
        None,
        at_least=0,
        meaning="查看已上线帖子是否还在的间隔 / seconds between looks at live posts, instead of by age",
    )
    care_every_s: float = setting(
        600.0, at_least=0.1, meaning="检查账号授权与额度的间隔（秒）/ seconds between two checks of the accounts"
    )
    drain_s: float = setting(10.0, at_least=0, meaning="交出分区前等待调用结束的秒数 / seconds to wait for calls")


def main(platform: str, arguments: Sequence[str] | None = None) -> int:
    """Run the adapter of `platform` until it is told to stop; the exit code for `sys.exit`."""
    found = adapter(platform)
    return run_service(
        f"adapter-{platform}", AdapterSettings, lambda context: _run(found, context), arguments=arguments
    )


def declared_accounts(path: Path | None, simulator_url: str | None) -> Accounts:
    """The accounts file as settings problems where it cannot be used; raises SettingsError."""
    if path is None:
        raise SettingsError(
            [
                SettingProblem(
                    "TONGBO_ACCOUNTS", "没有设置账号文件 / no accounts file", "指向账号文件，见 README / set its path"
                )
            ]
        )
    try:
        return load_accounts(path, os.environ, simulator_url)
    except AccountsError as error:
        problem = SettingProblem("TONGBO_ACCOUNTS", str(error), "请修正账号文件 / correct the accounts file")
        raise SettingsError([problem]) from error


def timing(own: Timing, settings: AdapterSettings) -> Timing:
    """The platform's timing with what the settings say instead."""
    return replace(
        own,
        look_after_s=_first(settings.look_after_s, own.look_after_s),
        look_every_s=_first(settings.look_every_s, own.look_every_s),
        follow_every_s=_first(settings.follow_every_s, own.follow_every_s),
        call_timeout_s=_first(settings.call_timeout_s, own.call_timeout_s),
    )


def _first(wanted: float | None, own: float) -> float:
    return own if wanted is None else wanted


def _run(found: Adapter, context: ServiceContext[AdapterSettings]) -> None:
    sys.setswitchinterval(_TURN_S)
    settings = context.settings
    accounts = declared_accounts(settings.accounts_file, settings.simulator_url)
    shared = shared_on_this_machine(settings.state_dir, "publishing")
    monitor = _monitor(found, accounts, context, shared)
    commands, freshness = CommandView(), Freshness(settings.fresh_within_s)
    hints = CallbackHints(found.platform)
    follower = CallbackFollower(
        settings.kafka, (hints.put, monitor.hear, lambda *_: loop.wake()), context.stop, "latest"
    )
    caller = Caller(
        found,
        accounts,
        calls=CallPool(settings.most_calls),
        timing=timing(found.timing, settings),
        media=VerifiedMedia(settings.media_dir),
        commands=commands,
        freshness=freshness,
        clock=context.clock,
        shared=lambda account: shared(found, account),
    )
    stage = AdapterStage(
        found,
        accounts,
        caller,
        WorkerIdentity(
            f"{context.name}-{settings.instance}",
            settings.kafka.partitions,
            capabilities(found, accounts, context.clock.now(), settings.kafka.partitions),
        ),
        clock=context.clock,
        read_ledger=lambda partition: read_partition(settings.kafka, LEDGER_TOPIC, partition),
        monitor=monitor,
        live_check_every_s=settings.watch_every_s,
        hints=hints,
    )
    loop = ConsumeLoop(
        settings,
        TopicSubscription(context.name, f"tongbo-{context.name}", (CONTENT_TOPIC,), canaries=True),
        stage,
        context.health,
        context.stop,
        context.clock,
        drain_s=settings.drain_s,
    )
    feed = CommandFeed(settings.kafka, commands, freshness, context.health, context.stop, loop.wake)
    monitor.start()
    feed.start()
    follower.start()
    try:
        loop.run()
    finally:
        context.stop.set()
        monitor.stop()
        feed.join()
        follower.join(5.0)
        stage.close()


def _monitor(
    found: Adapter, accounts: Accounts, context: ServiceContext[AdapterSettings], shared: SharedOf
) -> AccountMonitor:
    settings, clients = context.settings, dict[str, Any]()

    def client(account: Account) -> Any:
        if account.account not in clients:
            clients[account.account] = found.client(
                account, timing(found.timing, settings).call_timeout_s, shared(found, account)
            )
        return clients[account.account]

    def placements() -> list[PlacementRecord]:
        newest = {
            raw.key: raw.value
            for partition in range(settings.kafka.partitions)
            for raw in read_partition(settings.kafka, LEDGER_TOPIC, partition)
        }
        return [_decode_record(value) for value in newest.values() if value is not None]

    return AccountMonitor(
        found,
        accounts.of(found.platform),
        FileCredentials(settings.state_dir / FOLDER),
        client,
        lambda account: shared(found, account).budget,
        placements,
        context.clock.now,
        settings.care_every_s,
    )


def capabilities(found: Adapter, accounts: Accounts, now: datetime, partitions: int) -> tuple[Outgoing, ...]:
    """What each account of this platform may do, for the topic that others read it from."""
    return tuple(_capability(found, account, now, partitions) for account in accounts.of(found.platform))


def _capability(found: Adapter, account: Account, now: datetime, partitions: int) -> Outgoing:
    key = f"{account.platform}/{account.account}"
    event = AccountCapability(
        event_id=f"capability:{key}:{now.isoformat()}",
        occurred_at=now,
        observed_at=now,
        brand_id=account.brand_id,
        trace_id=key,
        platform=account.platform,
        account=account.account,
        display_name=account.display_name,
        way=account.way,
        kinds=dict(found.limits.kinds),
        metrics=dict(found.feedback.native_metrics()),
        text_limits=dict(found.limits.text),
        can_edit=found.limits.can_edit,
        can_delete=found.limits.can_delete,
        can_read_comments=True,
        checked_at=now,
        problem="" if account.way in found.ways else f"不支持的发布方式 {account.way}",
    )
    return Outgoing(CAPABILITY_TOPIC, encode(event), key.encode(), partition_of(key, partitions))
