"""抖音 / Douyin. Exports ADAPTER, nothing else."""

from services.adapter.contract.adapter import Adapter, Name
from services.adapter_douyin.account import DouyinCare
from services.adapter_douyin.after_posting import DouyinReplies
from services.adapter_douyin.callbacks import DouyinCallbacks
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.errors import ERRORS
from services.adapter_douyin.feedback import DouyinFeedback
from services.adapter_douyin.limits import LIMITS
from services.adapter_douyin.localise import localise
from services.adapter_douyin.oauth import DouyinOAuth
from services.adapter_douyin.publish import DouyinPublication
from services.adapter_douyin.settings import TIMING

__all__ = ["ADAPTER"]

ADAPTER = Adapter(
    platform="douyin",
    name=Name("抖音", "Douyin"),
    ways=("server", "h5"),
    limits=LIMITS,
    errors=ERRORS,
    timing=TIMING,
    localise=localise,
    publication=DouyinPublication(),
    feedback=DouyinFeedback(),
    client=DouyinClient,
    replies=DouyinReplies(),
    care=DouyinCare(),
    callbacks=DouyinCallbacks(),
    connecting=DouyinOAuth(),
)
