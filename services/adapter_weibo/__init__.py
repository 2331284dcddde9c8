"""Sina Weibo: statuses by the open API or the commercial one, comments and counts by polling."""

from services.adapter.contract.adapter import Adapter, Name
from services.adapter_weibo.account import WeiboCare
from services.adapter_weibo.after_posting import WeiboReplies, WeiboRetraction
from services.adapter_weibo.callbacks import WeiboCallbacks
from services.adapter_weibo.client import open_client
from services.adapter_weibo.errors import ERRORS
from services.adapter_weibo.feedback import WeiboFeedback
from services.adapter_weibo.limits import LIMITS, WAYS
from services.adapter_weibo.localise import localise
from services.adapter_weibo.oauth import WeiboConnecting
from services.adapter_weibo.publish import WeiboPublication
from services.adapter_weibo.settings import TIMING

ADAPTER = Adapter(
    platform="weibo",
    name=Name(zh="微博", en="Weibo"),
    ways=WAYS,
    limits=LIMITS,
    errors=ERRORS,
    timing=TIMING,
    localise=localise,
    publication=WeiboPublication(),
    feedback=WeiboFeedback(),
    client=open_client,
    retraction=WeiboRetraction(),
    replies=WeiboReplies(),
    care=WeiboCare(),
    callbacks=WeiboCallbacks(),
    connecting=WeiboConnecting(),
)

__all__ = ["ADAPTER"]
