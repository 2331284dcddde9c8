"""The publisher's settings; nothing else reads its environment."""

from __future__ import annotations

from dataclasses import dataclass

from services.runtime.settings import ServiceSettings, setting


@dataclass(frozen=True, kw_only=True)
class PublisherSettings(ServiceSettings):
    """Where the API listens and how patient and generous it is."""

    publisher_host: str = setting("127.0.0.1", meaning="API 监听地址 / address the API listens on")
    publisher_port: int = setting(8800, at_least=0, meaning="API 端口，0 = 任意空闲端口 / API port, 0 = free")
    trusted_proxies: tuple[str, ...] = setting(
        (),
        meaning="反向代理的地址，逗号分隔；只有它们的 X-Forwarded-For 可信 / addresses of reverse proxies whose"
        " X-Forwarded-For is believed",
    )
    acknowledge_within_s: float = setting(
        10.0, at_least=0.1, meaning="等待 Kafka 确认的秒数 / how long to wait for Kafka's acknowledgement"
    )
    max_body_bytes: int = setting(
        2_000_000, at_least=1_000, meaning="请求体上限（媒体除外）/ largest request body but for media"
    )
    max_media_bytes: int = setting(4_294_967_296, at_least=1_000, meaning="单个媒体文件上限 / largest media file")
