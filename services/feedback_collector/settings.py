"""The collector's settings, and the secret that author pseudonyms are made with."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from services.runtime.settings import Secret, ServiceSettings, setting

SALT_FILE = "author-salt"


@dataclass(frozen=True, kw_only=True)
class CollectorSettings(ServiceSettings):
    simulator_url: str | None = setting(
        None, meaning="平台模拟器地址；设置后没有 base_url 的账号都连到它 / simulator for accounts without a base_url"
    )
    author_salt: Secret | None = setting(
        None, meaning="评论者化名的密钥，至少 16 字节；不设则在状态目录生成 / secret of author pseudonyms"
    )
    most_polls: int = setting(16, at_least=1, meaning="同时进行的轮询数 / polls at the same time")
    poll_scale: float = setting(1.0, at_least=0.001, meaning="轮询间隔的倍数，小于 1 更密 / times the cadence table")
    poll_least_s: float = setting(
        0.3, at_least=0, meaning="同一帖子两次轮询的最短真实间隔（秒）/ real seconds between two polls of a post"
    )
    call_timeout_s: float = setting(20.0, at_least=0.1, meaning="一次调用最长多少秒 / longest call in seconds")
    drain_s: float = setting(10.0, at_least=0, meaning="交出分区前等待轮询结束的秒数 / seconds to wait for polls")


def author_salt(settings: CollectorSettings) -> bytes:
    """The salt of the settings, or one made once and kept in the state folder, readable by its owner only."""
    if settings.author_salt is not None:
        return settings.author_salt.reveal().encode()
    return _kept(settings.state_dir / SALT_FILE)


def _kept(file: Path) -> bytes:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_bytes()
    with os.fdopen(handle, "wb") as salt:
        salt.write(secrets.token_hex(32).encode())
    return file.read_bytes()
