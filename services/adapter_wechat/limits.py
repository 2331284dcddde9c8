"""What WeChat Official Accounts accept, as data: lengths, pictures, budgets, and what can be changed afterwards.

Sources in brackets: doc = developers.weixin.qq.com, client = open-source clients, memory = known but unconfirmed.
"""

from __future__ import annotations

from services.adapter.contract.content import Limits, MediaLimit, RateLimit

TITLE = 32  # [doc draft/add, 2025-12; older pages say 64]
AUTHOR = 16  # [doc draft/add]
DIGEST = 120  # [doc draft/add says 128, older pages 120: 120 is safe for both]
CONTENT = 19_999  # [doc draft/add: *under* 20,000 characters, markup included (staff answer in the forum)]
CONTENT_BYTES = 1024 * 1024 - 1  # [doc draft/add: under 1 MB]
NEWSPIC_TEXT = 1000  # [memory] what the editor allows below a picture post; the interface page states no own figure
SOURCE_URL_BYTES = 1024  # [doc draft/add]
NEWSPIC_PICTURES = 20  # [doc draft/add]
PLACED_PICTURE_URL = 200  # room kept for each uploadimg address that replaces a `media:` placeholder
COMMENTS_PER_PAGE = 49  # [doc comment/list: 50 and more is refused]
PUBLISHED_PER_PAGE = 20  # [doc freepublish/batchget: 1 to 20]
DRAFTS_PER_PAGE = 20  # [doc draft/batchget: 1 to 20]
CLIENT_MSG_ID = 32  # [client] bytes of `clientmsgid`; older clients say 64: 32 is safe for both
CLIENT_MSG_ID_HOURS = 24  # [client] so long the platform knows a `clientmsgid` again
APPROVAL_MINUTES = 30  # [client] so long the administrator may confirm a mass send
REPLY = 600  # [client] the interface page states no figure, only that 88007 says "too long"
CALLBACK_BYTES = 64 * 1024  # [assumption] real callbacks have 1 to 4 KB

FORCED = "stable_token:force_refresh"  # renewals by force have a budget of their own beside that of their path

LIBRARY_TYPES = ("image/jpeg", "image/png", "image/gif", "image/bmp")

COVER = MediaLimit("cover", LIBRARY_TYPES, 10 * 1024 * 1024, 1, source="doc add_material")
IMAGE = MediaLimit("image", LIBRARY_TYPES, 10 * 1024 * 1024, NEWSPIC_PICTURES, source="doc add_material, draft/add")
# [assumption] no stated number of pictures in one article; the length of the content bounds it anyway.
INLINE = MediaLimit("inline", ("image/jpeg", "image/png"), 1024 * 1024 - 1, 100, source="doc media/uploadimg")

LIMITS = Limits(
    text={
        "title": TITLE,
        "author": AUTHOR,
        "digest": DIGEST,
        "content": CONTENT,
        "newspic_content": NEWSPIC_TEXT,
        "reply": REPLY,
    },
    media=(COVER, INLINE, IMAGE),
    rates=(
        RateLimit("stable_token", 10_000, 60, "account", "doc getStableAccessToken"),
        RateLimit("stable_token", 500_000, 86_400, "account", "doc getStableAccessToken"),
        RateLimit(FORCED, 20, 86_400, "account", "doc getStableAccessToken"),
        RateLimit(FORCED, 1, 30, "account", "doc getStableAccessToken"),
        # Daily quotas of the other interfaces and the mass sends of a period differ by account: openapi/quota/get tells
        # the first, 45009 and 45028 say when one is used up.
    ),
    kinds={"article": "news", "video": "news", "notice": "news", "pictures": "newspic"},
    can_edit=False,
    can_delete=True,
)
