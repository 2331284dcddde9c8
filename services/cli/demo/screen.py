"""What the demo shows while it runs: placements by platform and state, aggregates, feedback, lag, posts. Draws only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.events.aggregate import EngagementAggregate, MetricTotal
from schemas.events.feedback import CommentObserved
from schemas.events.placement import PlacementRecord
from schemas.words import state_words
from services.adapter.contract.registry import adapter, platforms

STYLES = {
    "INTENDED": "cyan", "CALLING": "yellow", "ACCEPTED": "yellow", "PARKED": "magenta", "UNKNOWN": "bold red",
    "NEEDS_HUMAN": "bold red", "LIVE": "green", "REJECTED": "red", "MISSED": "red", "CANCELLED": "dim",
    "REMOVED": "red",
}  # fmt: skip
FIGURES = (
    ("views", "播放/阅读"), ("likes", "赞"), ("comments", "评论"), ("shares", "转发"), ("saves", "收藏"),
)  # fmt: skip
WHY_NOT = {"unsupported": "—", "not_yet": "待统计", "failed": "未取到"}
SCOPES = ("campaign", "campaign_platform", "brand")
GROUP_NAMES = {"feedback-collector": "反馈采集", "engagement-aggregator": "汇总"}
COMMENTS_SHOWN = 3
HEADING = 3  # lines of a table beside its rows: title, names, rule
WIDE = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One moment of a campaign. rows: of this campaign and its brand, by key. comments: number collected by platform.

    latest: newest comments, last one newest. lags: records behind, by consumer group. restarts: of processes so far.
    """

    headline: str
    expected: int = 0
    records: Sequence[PlacementRecord] = ()
    rows: Mapping[str, EngagementAggregate] = field(default_factory=dict)
    comments: Mapping[str, int] = field(default_factory=dict)
    latest: Sequence[CommentObserved] = ()
    lags: Mapping[str, int] = field(default_factory=dict)
    restarts: int = 0


def screen(view: View, width: int, height: int | None) -> RenderableType:
    """Drawn so that it fits; `height` None: all of it. Where lines are short the finished posts give way first."""
    totals, states = _totals(view, wide=width >= WIDE), _states(view.records)
    latest = view.latest[-COMMENTS_SHOWN:] if height is None or height > 30 else view.latest[-1:]
    parts: list[RenderableType] = [Text(view.headline, style="bold"), states, totals]
    parts += [_comments(latest, view.comments, width), _lag(view)]
    taken = 1 + HEADING + states.row_count + HEADING + totals.row_count + 1 + len(latest) + 1 + HEADING
    room = len(view.records) if height is None else height - taken
    if view.records and room > 0:
        parts.append(_posts(view, room, wide=width >= WIDE))
    return Group(*parts)


def states_of(view: View) -> str:
    """All placements in one line: `已上线 10，待发布 3`."""
    counts = Counter[str](record.state for record in view.records)
    counted = [f"{state_words(state).name.zh} {counts[state]}" for state in STYLES if counts[state]]
    if view.expected > len(view.records):
        counted.append(f"未入账 {view.expected - len(view.records)}")
    return "，".join(counted)


def _table(title: str, title_en: str) -> Table:
    return Table(
        title=f"{title} / {title_en}", title_justify="left", title_style="bold cyan", box=box.SIMPLE_HEAD,
        show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim",
    )  # fmt: skip


def _states(records: Sequence[PlacementRecord]) -> Table:
    table = _table("发布位", "placements")
    table.add_column("平台 / platform")
    present = [state for state in STYLES if any(record.state == state for record in records)]
    for state in present:
        label, style = state_words(state).name.zh, STYLES[state]
        table.add_column(f"{label} {state}", style=style, justify="right")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        counts[record.platform][record.state] += 1
    for platform in platforms():
        if platform in counts:
            table.add_row(_name(platform), *(str(counts[platform][state] or "·") for state in present))
    return table


def _posts(view: View, room: int, *, wide: bool) -> Table:
    """What is still on its way comes first, so that it is seen where there is no room for all."""
    table = _table("帖子", "posts")
    table.expand = True  # the address takes what the others leave
    table.add_column("平台", no_wrap=True, min_width=10)
    if wide:
        table.add_column("账号", no_wrap=True, overflow="ellipsis", min_width=11, max_width=20)
    table.add_column("内容", no_wrap=True, overflow="ellipsis", min_width=16, max_width=24)
    table.add_column("状态", no_wrap=True, overflow="ellipsis", min_width=8, max_width=36)
    table.add_column("赞", justify="right", no_wrap=True, min_width=4)
    table.add_column("评论", justify="right", no_wrap=True, min_width=4)
    table.add_column("地址 / address", no_wrap=True, overflow="ellipsis", ratio=1)
    ordered = sorted(view.records, key=lambda r: (r.is_final, r.platform, r.account, r.due_at, r.content_id))
    for record in ordered[:room]:
        label, style = state_words(record.state).name.zh, STYLES[record.state]
        row = view.rows.get(f"post:{record.platform}:{record.post.native_id}") if record.post else None
        url = (record.post.url or "") if record.post else ""
        table.add_row(
            _name(record.platform),
            *([record.account] if wide else []),
            record.content_id,
            Text(f"{label}：{record.waiting_on}" if wide and not record.is_final else label, style=style),
            _number(row.totals.likes) if row else "",
            str(row.comments_collected) if row else "",
            Text(url.removeprefix("https://").removeprefix("http://"), style=f"link {url}" if url else ""),
        )
    if len(ordered) > room:
        table.title = f"{table.title}   另有 {len(ordered) - room} 条 / more: tongbo status"
    return table


def _totals(view: View, *, wide: bool) -> Table:
    table = _table("汇总", "aggregates")
    table.add_column("范围 / scope", no_wrap=True)
    for metric, label in FIGURES:
        table.add_column(f"{label} {metric}" if wide else label, justify="right", no_wrap=True)
    table.add_column("互动 all" if wide else "互动", justify="right", no_wrap=True)
    table.add_column("采集率 coverage" if wide else "采集率", justify="right", no_wrap=True)
    shown = [row for row in view.rows.values() if row.scope in SCOPES]
    for row in sorted(shown, key=lambda one: (SCOPES.index(one.scope), one.key)):
        figures = [_number(getattr(row.totals, metric)) for metric, _ in FIGURES]
        engagement = "" if row.engagement is None else f"{row.engagement:,}"
        coverage = "" if row.coverage is None else f"{row.coverage:.0%}"
        table.add_row(_scope(row), *figures, engagement, coverage, style="bold" if row.scope == "campaign" else "")
    return table


def _comments(latest: Sequence[CommentObserved], counts: Mapping[str, int], width: int) -> Text:
    text = Text(
        f"反馈 / feedback   评论 {sum(counts.values())} 条", style="bold cyan", no_wrap=True, overflow="ellipsis"
    )
    text.append("".join(f"   {_name(platform)} {count}" for platform, count in sorted(counts.items())), style="default")
    for comment in latest:
        line = Text(f"\n  {_name(comment.platform)}：{' '.join(comment.text.split())}", style="dim")
        line.truncate(width - 1, overflow="ellipsis")
        text.append_text(line)
    return text


def _lag(view: View) -> Text:
    behind = "   ".join(f"{_group(group)} {count}" for group, count in sorted(view.lags.items()))
    restarts = f"   重启 / restarts {view.restarts}" if view.restarts else ""
    return Text(f"滞后（含事务标记）/ lag   {behind or '…'}{restarts}", "dim", no_wrap=True, overflow="ellipsis")


def _group(group: str) -> str:
    service = group.removeprefix("tongbo-")
    return GROUP_NAMES.get(service) or _name(service.removeprefix("adapter-"))


def _number(total: MetricTotal) -> str:
    if total.value is None:
        return WHY_NOT.get(total.reason or "", "")
    return f"{total.value:,}"


def _scope(row: EngagementAggregate) -> str:
    if row.scope == "campaign_platform":
        return f"  {_name(row.platform)}"
    return "活动合计" if row.scope == "campaign" else "品牌合计"


def _name(platform: str) -> str:
    return adapter(platform).name.zh if platform in platforms() else platform
