"""Names of the rows: prefixed by kind, so that no post, campaign or brand can take another's row. Pure."""

from __future__ import annotations

from services.engagement_aggregator.rows import event_time

POSITION = "\x00position"
WATERMARK = "\x00watermark"
_INSIDE = "\x1f"  # cannot stand in an id, so two ids never run into each other


def post(post_key: str) -> str:
    return f"post:{post_key}"


def content(content_id: str) -> str:
    return f"content:{content_id}"


def campaign_platform(campaign_id: str, platform: str) -> str:
    return f"campaign_platform:{campaign_id}:{platform}"


def campaign(campaign_id: str) -> str:
    return f"campaign:{campaign_id}"


def brand(brand_id: str) -> str:
    return f"brand:{brand_id}"


def comment(post_key: str, comment_id: str) -> str:
    return f"comment{_INSIDE}{post_key}{_INSIDE}{comment_id}"


def reply(post_key: str, reply_id: str) -> str:
    return f"reply{_INSIDE}{post_key}{_INSIDE}{reply_id}"


def share(brand_id: str, campaign_id: str) -> str:
    return f"share{_INSIDE}{brand_id}{_INSIDE}{campaign_id}"


def account(campaign_id: str, platform: str, name: str) -> str:
    return f"account{_INSIDE}{campaign_id}{_INSIDE}{platform}{_INSIDE}{name}"


def followers(platform: str, account: str) -> str:
    return f"{platform}:{account}"


def hour(aggregate_key: str, number: int) -> str:
    """The windows of a row in one hour of the epoch."""
    return f"window{_INSIDE}{aggregate_key}@{event_time.hour_word(number)}"


def day(aggregate_key: str, number: int) -> str:
    """The window of a row of one day in Asia/Shanghai."""
    return f"window{_INSIDE}{aggregate_key}@{event_time.day_word(number)}"


def published(key: str) -> str:
    """The key under which a row of windows is published."""
    return key.partition(_INSIDE)[2]
