"""Handing a post over to a person: a signed share link, and the steps around it.

The person opens the link and publishes in the Douyin app; the link's `share_id` identifies the post afterwards.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

import segno

from schemas.events.placement import Draft, PlacementRecord
from services.adapter.contract.publication import Done, NeedsHuman, Step
from services.adapter_douyin.client import DouyinClient

LINK_LIVES = timedelta(hours=1)  # the time for which its ticket is certainly valid [assumption]
SHARE_LINK = Step("share_link", "orphan", "生成抖音分享链接")
HAND_OVER = Step("hand_over", "none", "等人在抖音 App 里确认发布")


def is_handed_over(draft: Draft) -> bool:
    return "text" not in draft.fields


def next_hand_over_step(record: PlacementRecord) -> Step | None:
    """An expired link is made again when a person retries; its share_id stays."""
    if record.result_of(HAND_OVER.name) is not None:
        return None
    if record.step == HAND_OVER.name and record.state not in ("INTENDED", "PARKED"):
        return HAND_OVER
    made = next((step for step in record.steps if step.name == SHARE_LINK.name), None)
    return SHARE_LINK if made is None or record.occurred_at - made.finished_at >= LINK_LIVES else HAND_OVER


def make_share_link(client: DouyinClient, record: PlacementRecord, draft: Draft) -> Done:
    """A freshly signed link. The share_id of an earlier link is kept."""
    topics = draft.fields.get("hashtag_list") or []
    share_id = share_id_of(record) or client.share_id(topics[0] if topics else "")
    link = client.share_link(draft.fields, share_id, secrets.token_hex(8))
    return Done({"share_id": share_id, "link": link, "qr": qr_text(link)})


def wait_for_person(link: str) -> NeedsHuman:
    return NeedsHuman(
        "请在装有抖音的手机上扫码或打开此链接并确认发布（约一小时内有效，过期后重试此发布位可得新链接）：" + link
    )


def qr_text(link: str) -> str:
    """A QR code for a terminal: light on dark, two rows per line. Empty if the link is too long for a QR code."""
    try:
        rows = [[bool(dark) for dark in row] for row in segno.make_qr(link, error="l", boost_error=False).matrix_iter()]
    except segno.DataOverflowError:
        return ""
    pairs = zip(rows[::2], [*rows[1::2], [True] * len(rows[0])], strict=False)
    signs = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    return "\n".join("".join(signs[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in pairs)


def share_id_of(record: PlacementRecord) -> str:
    return (record.result_of(SHARE_LINK.name) or {}).get("share_id", "")
