"""What Douyin accepts, as data: caption, topics, media, call rates, kinds of post. No I/O and no decisions."""

from __future__ import annotations

from services.adapter.contract.content import Limits, MediaLimit, RateLimit

MIB = 1024 * 1024
GIB = 1024 * MIB

CAPTION_MAX = 1000  # [memory]; the app's own title field has 30
H5_TITLE_MAX = 55  # [client]; configurable by the account option h5_title_max
MAX_TOPICS = 10  # H5: [client]; server side unstated, the same number is taken
MAX_IMAGES = 30  # CSDN quoting create_image_text [client]
MAX_VIDEO_S = 15 * 60.0  # upload page [doc]
RECOMMENDED_SHORT_SIDE = 720
REPLY_MAX = 100  # [memory]: the limit of the app's input field

VIDEO_TYPES = ("video/mp4", "video/webm")
H5_VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/3gpp")
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")

VIDEO = MediaLimit("video", VIDEO_TYPES, 4 * GIB, 1, MAX_VIDEO_S, "open.douyin.com upload page [doc]")
COVER = MediaLimit("cover", IMAGE_TYPES, 20 * MIB, 1, None, "upload_image, CSDN quoting the page [client]")
IMAGE = MediaLimit("image", IMAGE_TYPES, 20 * MIB, MAX_IMAGES, None, "create_image_text, CSDN quoting it [client]")
H5_VIDEO = MediaLimit("video", H5_VIDEO_TYPES, 128 * MIB, 1, MAX_VIDEO_S, "DY-DOC share-to-h5 [client]")

LIMITS = Limits(
    text={"caption": CAPTION_MAX, "h5_title": H5_TITLE_MAX, "topics": MAX_TOPICS, "reply": REPLY_MAX},
    media=(VIDEO, COVER, IMAGE),
    # Real quotas are per capability and shown only in the console; this rate is an [assumption].
    rates=(
        RateLimit("*", 600, 60.0, "app", "[assumption] C6: figures are not published"),
        # Douyin blocks the whole app at 500 [doc]; other systems of the same app may fetch tokens too.
        RateLimit("oauth/client_token", 50, 300.0, "app", "DY-DOC client_token [doc], a tenth of it"),
    ),
    kinds={"video": "video", "pictures": "pictures", "article": "pictures", "notice": "pictures"},
)


def caption_length(text: str) -> int:
    """Length in UTF-16 units, the strictest way Douyin may count: an emoji counts two."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2
