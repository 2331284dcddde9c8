"""What the demo shows while it runs: placements by platform and state, posts, feedback, aggregates, lag. Draws only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.aggregate import EngagementAggregate, MetricTotal
from schemas.feedback import CommentObserved
from schemas.placement import PlacementRecord
from services.adapter.registry import adapter, platforms

STATES = {
    "INTENDED": ("待发布", "cyan"),
    "CALLING": ("发布中", "yellow"),
    "ACCEPTED": ("审核中", "yellow"),
    "PARKED": ("已暂停", "magenta"),
    "UNKNOWN": ("结果未知", "bold red"),
    "NEEDS_HUMAN": ("待人工", "bold red"),
    "LIVE": ("已上线", "green"),
    "REJECTED": ("被拒绝", "red"),
    "MISSED": ("已错过", "red"),
    "CANCELLED": ("已取消", "dim"),
    "REMOVED": ("已移除", "red"),
}
FIGURES = (("views", "阅读/播放"), ("likes", "赞"), ("comments", "评论"), ("shares", "转发"), ("saves", "收藏"))
WHY_NOT = {"unsupported": "—", "not_yet": "待统计", "failed": "未取到"}


def screen(
    headline: str,
    records: Sequence[PlacementRecord],
    rows: Mapping[str, EngagementAggregate],
    comments: Mapping[str, int],
    latest: Sequence[CommentObserved],
    lags: Mapping[str, int],
) -> RenderableType:
    """comments: number collected by platform. lags: records behind, by consumer group."""
    lag = "   ".join(f"{group.removeprefix('tongbo-')} {behind}" for group, behind in sorted(lags.items()))
    parts: list[RenderableType] = [Text(headline, style="bold"), _states(records), _posts(records, rows)]
    parts += [_totals(rows), Text(f"消费滞后 / lag   {lag or '…'}", style="dim")]
    parts += [_comments(latest, comments)]
    return Group(*parts)


def _states(records: Sequence[PlacementRecord]) -> Table:
    table = Table(title="发布位 / placements", title_justify="left", expand=False)
    table.add_column("平台 / platform")
    present = [state for state in STATES if any(record.state == state for record in records)]
    for state in present:
        label, style = STATES[state]
        table.add_column(f"{label} {state}", style=style, justify="right")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        counts[record.platform][record.state] += 1
    for platform in platforms():
        if platform in counts:
            table.add_row(_name(platform), *(str(counts[platform][state] or "·") for state in present))
    return table


def _posts(records: Sequence[PlacementRecord], rows: Mapping[str, EngagementAggregate]) -> Table:
    table = Table(title="帖子 / posts", title_justify="left", expand=False)
    for heading in ("平台", "账号", "内容", "状态 / 等待", "地址 / address"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True, max_width=58)
    for heading in ("赞", "评论"):
        table.add_column(heading, justify="right")
    for record in sorted(records, key=lambda r: (r.platform, r.account, r.due_at, r.content_id)):
        label, style = STATES[record.state]
        row = rows.get(f"post:{record.platform}:{record.post.native_id}") if record.post else None
        table.add_row(
            _name(record.platform),
            record.account,
            record.content_id,
            Text(label if record.is_final else f"{label}：{record.waiting_on}", style=style),
            (record.post.url or "") if record.post else "",
            _number(row.totals.likes) if row else "",
            str(row.comments_collected) if row else "",
        )
    return table


def _totals(rows: Mapping[str, EngagementAggregate]) -> Table:
    table = Table(title="汇总 / aggregates", title_justify="left", expand=False)
    table.add_column("范围 / scope")
    for _, label in FIGURES:
        table.add_column(label, justify="right")
    table.add_column("互动", justify="right")
    table.add_column("评论采集率", justify="right")
    for row in sorted(rows.values(), key=lambda r: (r.scope != "campaign", r.scope, r.key)):
        if row.scope in ("campaign", "campaign_platform", "brand"):
            figures = [_number(getattr(row.totals, metric)) for metric, _ in FIGURES]
            engagement = "" if row.engagement is None else str(row.engagement)
            coverage = "" if row.coverage is None else f"{row.coverage:.0%}"
            table.add_row(row.key, *figures, engagement, coverage)
    return table


def _comments(latest: Sequence[CommentObserved], counts: Mapping[str, int]) -> Text:
    text = Text(f"反馈 / feedback   评论 {sum(counts.values())} 条", style="bold")
    text.append("".join(f"   {_name(platform)} {count}" for platform, count in sorted(counts.items())))
    for comment in latest[-3:]:
        words = comment.text.replace("\n", " ")
        text.append(f"\n  {_name(comment.platform)} {comment.author[:6]}：{words[:60]}", style="dim")
    return text


def _number(total: MetricTotal) -> str:
    if total.value is None:
        return WHY_NOT.get(total.reason or "", "")
    return f"{total.value:,}"


def _name(platform: str) -> str:
    return adapter(platform).name.zh if platform in platforms() else platform
