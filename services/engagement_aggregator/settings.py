"""Settings of the aggregator, and the names of the topics and groups that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.runtime.canary import CANARY_TOPIC
from services.runtime.settings import ServiceSettings, setting

SERVICE = "engagement-aggregator"
TABLE = "rows"  # another name means another table: everything is folded anew


@dataclass(frozen=True, kw_only=True)
class AggregatorSettings(ServiceSettings):
    """One worker; 1..n workers share the partitions, each with an instance number and a state folder of its own."""

    flush_interval_s: float = setting(
        1.0, at_least=0.01, meaning="两次写出之间最长秒数 / at most this long between two flushes of a partition"
    )
    catch_up_interval_s: float = setting(
        5.0, at_least=0.0, meaning="积压时两次写出之间最长秒数 / the same while many records wait to be folded"
    )
    coalesce_s: float = setting(
        1.0,
        at_least=0.1,
        meaning="活动、内容与时间窗的行最多多久发布一次；帖子的行每次写出都发布"
        " / rows of campaigns, contents and windows are published at most this often, those of posts in every flush",
    )
    flush_timeout_s: float = setting(
        30.0, at_least=1.0, meaning="一次写出的时限，超时则重来 / a flush that takes longer is given up and begun anew"
    )
    unflushed_rows: int = setting(
        25_000, at_least=1, meaning="未写出的行数达到此数即写出 / flush early at this many changed rows of a partition"
    )
    cached_mb: int = setting(
        384, at_least=1, meaning="留在内存中的行最多占多少 MB，所有分区合计 / memory for rows, all partitions together"
    )
    session_timeout_s: float = setting(
        10.0, at_least=1.0, meaning="失联多久后分区转交他人 / after this silence partitions go to another worker"
    )
    max_poll_interval_s: float = setting(
        120.0, at_least=1.0, meaning="主循环停转多久后让出分区 / partitions are given up when the loop hangs this long"
    )
    stall_after_s: float = setting(
        15.0, at_least=1.0, meaning="分区多久没有进展即报不健康 / unhealthy when a partition stands still for this long"
    )
    topic_prefix: str = setting(
        "", meaning="所有主题、消费组与事务名的前缀 / put before every topic, group and transactional id"
    )

    @property
    def folder(self) -> Path:
        """Where this worker keeps its copy of the table."""
        return self.state_dir.resolve() / SERVICE / f"{self.topic_prefix}{self.instance}"

    @property
    def application(self) -> str:
        return f"{self.topic_prefix}{SERVICE}"

    @property
    def feedback_topic(self) -> str:
        return f"{self.topic_prefix}feedback-unified"

    @property
    def campaign_topic(self) -> str:
        return f"{self.topic_prefix}engagement-campaign-total"

    @property
    def output_topic(self) -> str:
        return f"{self.topic_prefix}engagement-aggregate"

    @property
    def window_topic(self) -> str:
        return f"{self.topic_prefix}engagement-window"

    @property
    def changelog_topic(self) -> str:
        return f"{self.application}-{TABLE}-changelog"

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.application}-dlq"

    @property
    def sources(self) -> tuple[str, ...]:
        """Canaries cross the pipeline's own aggregator; one with a prefix is beside it."""
        canaries = () if self.topic_prefix else (CANARY_TOPIC,)
        return (self.feedback_topic, self.campaign_topic, *canaries)

    @property
    def copartitioned(self) -> tuple[str, ...]:
        """The topics that must have the same number of partitions."""
        return (*self.sources, self.output_topic, self.window_topic, self.changelog_topic)
