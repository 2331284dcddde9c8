"""Whether the posts that are planned on an account fit into what it may post at all. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.events.content import MasterContent, Target
from services.adapter.accounts.budgets import POST, declared_rates
from services.adapter.accounts.quota_forecast import limits_exceeded
from services.adapter.contract.accounts import Account
from services.adapter.contract.adapter import Adapter
from services.publisher.api.problems import Problem, problem
from services.publisher.content.check_targets import named
from services.publisher.content.known import Known
from services.publisher.content.plan import planned_post


def quotas(
    adapter: Adapter, number: int, target: Target, account: Account, known: Known, master: MasterContent
) -> Iterator[Problem]:
    """A problem where this target is the one too many; what was accepted before is not this request's fault."""
    rates = [rate for rate in declared_rates(account, adapter.limits.rates) if rate.endpoint == POST]
    if not rates:
        return
    earlier = [one for one in master.targets[: master.targets.index(target)] if named(one) != named(target)]
    same_account = [one for one in earlier if (one.platform, one.account) == (target.platform, target.account)]
    before = [
        *known.planned_posts(target.platform, target.account),
        *(planned_post(master, one) for one in same_account),
    ]
    late_s = float(target.late_within_s)
    full_already = {one.rate for one in limits_exceeded(before, rates, late_s)}
    for overfull in limits_exceeded([*before, planned_post(master, target)], rates, late_s):
        if overfull.rate in full_already:
            continue
        zh, _, en = overfull.message.partition(" / ")
        yield problem(
            f"targets[{number}].schedule",
            "over_quota",
            f"{adapter.name.zh} {target.account}：{zh}",
            f"{adapter.name.en} {target.account}: {en}",
            f"请改到额度恢复之后，或取消其中之一 / move or cancel one of: {'、'.join(overfull.placement_ids)}",
            named(target),
        )
