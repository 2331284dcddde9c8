"""What Weibo accepts, as data, and how it counts characters. Pure.

Endpoints of the rates: the step's name for posting, otherwise the interface's path; `*` = all calls together.
"""

from __future__ import annotations

from services.adapter.contract.content import Limits, MediaLimit, RateLimit
from services.adapter.localising.text import URL, gbk_length

WAYS = ("open", "commercial")

STATUS_MAX = 140  # Chinese characters: WB-WIKI 2/statuses/share [doc]
SHORT_LINK = 11  # any link counts as the short link that it becomes: 10–11 characters [memory]
MAX_TOPICS = 3  # our choice: more topics look like spam
PICTURE_TYPES = ("image/jpeg", "image/png", "image/gif")
PICTURE_BELOW = 5 * 1024 * 1024  # "< 5 MB": WB-WIKI 2/statuses/share [doc]
PICTURES = {"open": 1, "commercial": 9}  # share takes one [doc]; 9 in the app [memory], 15 cap in wb4java [client]
COMMENT_MAX = 140  # Chinese characters: WB-WIKI 2/comments/reply [doc]
TIMELINE_PAGE = 100  # most a page holds [memory]
COUNTS_MAX_IDS = 100  # WB-WIKI 2/statuses/count [doc]

HOUR = 3600.0
_RATES_SOURCE = "WB-WIKI rate limits of 2012–2013, quoted by clients [client]"

LIMITS = Limits(
    text={"status": STATUS_MAX, "topics": MAX_TOPICS},
    media=(
        MediaLimit(
            "pic",
            PICTURE_TYPES,
            PICTURE_BELOW - 1,
            PICTURES["commercial"],
            source="WB-WIKI 2/statuses/share [doc]; one picture where the account's way is open",
        ),
    ),
    rates=(
        RateLimit("*", 10_000, HOUR, "app", f"per server IP, normal grant (test grant 1000): {_RATES_SOURCE}"),
        RateLimit("*", 1000, HOUR, "account", f"normal grant (test grant 150): {_RATES_SOURCE}"),
        RateLimit("share", 30, HOUR, "account", _RATES_SOURCE),
        RateLimit("update", 30, HOUR, "account", _RATES_SOURCE),
        RateLimit("upload", 30, HOUR, "account", _RATES_SOURCE),
        RateLimit("upload_url_text", 30, HOUR, "account", _RATES_SOURCE),
        RateLimit("comments/create", 60, HOUR, "account", _RATES_SOURCE),
        RateLimit("comments/reply", 60, HOUR, "account", _RATES_SOURCE),
    ),
    kinds={"article": "status", "video": "status", "pictures": "status", "notice": "status"},
    can_edit=False,
    can_delete=True,
)

ENDPOINT_OF_API = {
    "statuses/share": "share",
    "statuses/update": "update",
    "statuses/upload": "upload",
    "statuses/upload_url_text": "upload_url_text",
}
"""How `account/rate_limit_status` calls what the rates above limit (names of the interfaces: [client: wb4java])."""


def status_length(text: str) -> int:
    """Characters by the stricter of the countings that sources name: all characters, or half the GBK bytes.

    A link counts SHORT_LINK, however long it is: the platform shows its short form.
    """
    links, prose = len(URL.findall(text)), URL.sub("", text)
    return max(len(prose), (gbk_length(prose) + 1) // 2) + links * SHORT_LINK
