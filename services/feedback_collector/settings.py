"""The collector's settings, and the secret that author pseudonyms are made with."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from services.feedback_collector.records.pseudonyms import LEAST_SALT
from services.runtime.settings import Secret, ServiceSettings, SettingProblem, SettingsError, setting

SALT_FILE = "author-salt"


@dataclass(frozen=True, kw_only=True)
class CollectorSettings(ServiceSettings):
    simulator_url: str | None = setting(
        None, meaning="平台模拟器地址；设置后没有 base_url 的账号都连到它 / simulator for accounts without a base_url"
    )
    author_salt: Secret | None = setting(
        None,
        meaning="评论者化名的密钥，至少 16 字节；不设则在状态目录生成，多台机器须设为同一个"
        " / secret of author pseudonyms; made in the state folder if unset, must be the same on all machines",
    )
    most_polls: int = setting(16, at_least=1, meaning="同时进行的轮询数 / polls at the same time")
    poll_scale: float = setting(1.0, at_least=0.001, meaning="轮询间隔的倍数，小于 1 更密 / times the cadence table")
    poll_least_s: float = setting(
        0.3, at_least=0, meaning="同一帖子两次轮询的最短真实间隔（秒）/ real seconds between two polls of a post"
    )
    call_timeout_s: float = setting(20.0, at_least=0.1, meaning="一次调用最长多少秒 / longest call in seconds")
    callback_host: str = setting(
        "127.0.0.1", meaning="平台回调监听地址 / address that listens for the platforms' calls"
    )
    callback_port: int = setting(
        0, at_least=0, meaning="平台回调端口，0 = 任意空闲端口 / port for the platforms' calls, 0 = any free one"
    )
    acknowledge_within_s: float = setting(
        4.0,
        at_least=0.1,
        meaning="回调写入 Kafka 最长多少秒，平台只等 5 秒 / longest write before a call is acknowledged",
    )
    drain_s: float = setting(10.0, at_least=0, meaning="交出分区前等待轮询结束的秒数 / seconds to wait for polls")
    session_timeout_s: float = setting(
        10.0, at_least=1, meaning="进程失联多少秒后分区由别的进程接手 / seconds until a lost process's partitions move"
    )

    def __post_init__(self) -> None:
        if self.author_salt is not None and len(self.author_salt.reveal().encode()) < LEAST_SALT:
            raise ValueError(f"TONGBO_AUTHOR_SALT 至少 {LEAST_SALT} 字节 / needs at least {LEAST_SALT} bytes")


def author_salt(settings: CollectorSettings) -> bytes:
    """The salt of the settings, or one made once and kept in the state folder, readable by its owner only."""
    if settings.author_salt is not None:
        return settings.author_salt.reveal().encode()
    file = settings.state_dir / SALT_FILE
    if not file.exists():
        _make(file)
    salt = file.read_bytes()
    if len(salt) < LEAST_SALT:
        wrong = f"{file} 已损坏（{len(salt)} 字节）/ the salt file is damaged"
        remedy = "恢复该文件，或删除它（化名会全部改变）/ restore it, or delete it (all pseudonyms change)"
        raise SettingsError([SettingProblem("TONGBO_STATE_DIR", wrong, remedy)])
    return salt


def _make(file: Path) -> None:
    """Whole or not at all: another collector on this machine may be starting at the same time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as salt:
            salt.write(secrets.token_hex(32))
            salt.flush()
            os.fsync(salt.fileno())
        with contextlib.suppress(FileExistsError):  # the other one was faster; its salt is everybody's
            file.hardlink_to(draft)
    finally:
        draft.unlink()
