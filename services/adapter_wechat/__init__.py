"""WeChat Official Accounts (微信公众号): `ADAPTER`, which the registry discovers."""

from services.adapter.contract.adapter import Adapter, Name
from services.adapter_wechat.account import WechatCare
from services.adapter_wechat.after_posting import WechatReplies, WechatRetraction
from services.adapter_wechat.callbacks import WechatCallbacks
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.errors import ERRORS
from services.adapter_wechat.feedback import WechatFeedback
from services.adapter_wechat.limits import LIMITS
from services.adapter_wechat.localise import localise
from services.adapter_wechat.publish import WechatPublication
from services.adapter_wechat.settings import TIMING

__all__ = ["ADAPTER"]

ADAPTER = Adapter(
    platform="wechat",
    name=Name("微信公众号", "WeChat Official Accounts"),
    ways=("publish", "mass"),
    limits=LIMITS,
    errors=ERRORS,
    timing=TIMING,
    localise=localise,
    publication=WechatPublication(),
    feedback=WechatFeedback(),
    client=WechatClient,
    retraction=WechatRetraction(),
    replies=WechatReplies(),
    care=WechatCare(),
    callbacks=WechatCallbacks(),
)
