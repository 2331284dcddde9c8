"""The known Douyin codes of both code families and their meaning. Pure data; no I/O.

The same account may answer in either family: 2800xxxx (new) or 21xxxxx (old), and 100xx from the token endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from services.adapter.contract.errors import CodeMeaning, ErrorTable, PlatformError

STATUS_CODES = "DY-DOC openapi/status-code [doc]"
OLD_CODES = "gadfly TtOpErrorMsgEnum [client]"
OAUTH = "DY-DOC account-permission; gadfly [doc, client]"

BEIJING = timezone(timedelta(hours=8))
TOO_MANY_CLIENT_TOKENS_S = 300.0
RISK_PAUSE_S = 1800.0
NEXT_DAY_S = 4 * 3600.0

BUSY = CodeMeaning(
    "platform_down", "系统繁忙，发布类调用须先查找再重试", STATUS_CODES, outcome="unknown", retriable=True
)
PARAMETER = CodeMeaning("bug", "参数不合法", STATUS_CODES)
TOKEN_INVALID = CodeMeaning("auth", "access_token 无效，刷新后重试", STATUS_CODES, scope="account", new_token=True)
TOKEN_EXPIRED = CodeMeaning("auth", "access_token 已过期，刷新后重试", STATUS_CODES, scope="account", new_token=True)
NO_SCOPE = CodeMeaning("auth", "用户没有授权这项权限，须重新授权", STATUS_CODES, scope="account")
NO_CAPABILITY = CodeMeaning(
    "needs_human", "应用没有这项能力，须在开放平台申请或改用人工发布", STATUS_CODES, scope="app"
)
WRONG_OPEN_ID = CodeMeaning("bug", "access_token 与 open_id 不匹配，检查账号配置", STATUS_CODES, scope="account")
APP_BANNED = CodeMeaning("needs_human", "应用被封禁或已下线", STATUS_CODES, scope="app")
API_OFFLINE = CodeMeaning("needs_human", "该能力已被封禁或接口已下线，须改用人工发布", STATUS_CODES, scope="app")
USER_GONE = CodeMeaning("account_risk", "用户已注销、被封禁或设为私密", STATUS_CODES, scope="account")
QUOTA_USED_UP = CodeMeaning(
    "quota", "当日配额已用完，次日再试", STATUS_CODES, retriable=True, scope="app", retry_after_s=NEXT_DAY_S
)
COMMENT_FAILED = CodeMeaning("platform_down", "评论或作品读取失败，可再试一次", OLD_CODES, retriable=True)

_NEW: dict[str, CodeMeaning] = {
    "28001003": TOKEN_INVALID,
    "28001005": BUSY,
    "28001006": BUSY,
    "28001007": PARAMETER,
    "28001008": TOKEN_EXPIRED,
    "28001012": NO_SCOPE,
    "28001014": NO_CAPABILITY,
    "28001015": WRONG_OPEN_ID,
    "28001016": APP_BANNED,
    "28001018": NO_CAPABILITY,
    "28001019": API_OFFLINE,
    "28001020": CodeMeaning("needs_human", "测试应用没有绑定该用户", STATUS_CODES, scope="account"),
    "28001021": CodeMeaning("needs_human", "测试应用已过期", STATUS_CODES, scope="app"),
    "28001045": USER_GONE,
    "28001046": USER_GONE,
    "28001047": USER_GONE,
    "28001052": CodeMeaning(
        "quota", "触发风控，须放慢调用", STATUS_CODES, retriable=True, scope="account", retry_after_s=RISK_PAUSE_S
    ),
    "28001056": API_OFFLINE,
    "28003017": QUOTA_USED_UP,
    "28003018": CodeMeaning("quota", "调用过于频繁", STATUS_CODES, retriable=True, scope="app", retry_after_s=2.0),
    "29002002": CodeMeaning("needs_human", "client_key 不正确，检查应用配置", OAUTH, scope="app"),
}

_OLD: dict[str, CodeMeaning] = {
    "2100004": BUSY,
    "2100005": PARAMETER,
    "2100007": CodeMeaning("needs_human", "没有操作权限", OLD_CODES, scope="account"),
    "2100009": USER_GONE,
    "2111001": CodeMeaning("content", "文案含敏感词，须改写", OLD_CODES),
    "2111002": COMMENT_FAILED,
    "2111003": CodeMeaning("bug", "作品或评论读取失败", OLD_CODES),
    "2111004": CodeMeaning("bug", "评论失败", OLD_CODES),
    "2111005": CodeMeaning("bug", "评论无效", OLD_CODES),
    "2111006": COMMENT_FAILED,
    "2111007": COMMENT_FAILED,
    "2112001": CodeMeaning("needs_human", "不是企业号，没有这项能力", OLD_CODES, scope="account"),
    "2113001": CodeMeaning("media", "素材未通过检查，须更换素材", OLD_CODES),
    "2113002": CodeMeaning("media", "素材过多，须减少素材", OLD_CODES),
    "2114005": CodeMeaning("account_risk", "账号被禁止发布", OLD_CODES, scope="account"),
    "2114007": CodeMeaning(
        "quota",
        "账号当日发布数量已达上限，次日再试",
        OLD_CODES,
        retriable=True,
        scope="account",
        retry_after_s=NEXT_DAY_S,
    ),
    "2190001": QUOTA_USED_UP,
    "2190002": TOKEN_INVALID,
    "2190003": NO_SCOPE,
    "2190004": NO_CAPABILITY,
    "2190005": CodeMeaning("media", "文件过大", OLD_CODES),
    "2190006": CodeMeaning("media", "视频超过 15 分钟", OLD_CODES),
    "2190007": CodeMeaning("media", "video_id 不存在或已被使用，须重新上传", OLD_CODES),
    "2190008": TOKEN_EXPIRED,
    "2190015": WRONG_OPEN_ID,
    "2190016": APP_BANNED,
}

_OAUTH: dict[str, CodeMeaning] = {
    "10002": CodeMeaning("bug", "授权参数错误", OAUTH, scope="app"),
    "10003": CodeMeaning("needs_human", "client_key 不正确，检查应用配置", OAUTH, scope="app"),
    "10004": CodeMeaning("auth", "应用或用户没有所需的 scope", OAUTH, scope="account"),
    "10005": CodeMeaning("bug", "缺少授权参数", OAUTH, scope="app"),
    "10006": CodeMeaning("needs_human", "redirect_uri 与应用登记的不一致", OAUTH, scope="app"),
    "10007": CodeMeaning("auth", "授权码已过期，须重新授权", OAUTH, scope="account"),
    "10008": CodeMeaning("auth", "access_token 无效或已过期", OAUTH, scope="account", new_token=True),
    "10010": CodeMeaning("auth", "refresh_token 无效或已过期，用户须重新授权", OAUTH, scope="account"),
    "10013": CodeMeaning("needs_human", "client_key 或 client_secret 错误，检查应用配置", OAUTH, scope="app"),
    "10014": CodeMeaning("needs_human", "client_key 与授权时的不一致", OAUTH, scope="app"),
    "10020": CodeMeaning("auth", "refresh_token 续期次数已用完，用户须重新授权", OAUTH, scope="account"),
}

ERRORS = ErrorTable("douyin", {**_NEW, **_OLD, **_OAUTH})

# The same number means something else at the client_token endpoint: more than 500 calls in 5 minutes.
TOO_MANY_CLIENT_TOKENS = CodeMeaning(
    "quota",
    "client_token 调用过于频繁（5 分钟 500 次）",
    OAUTH,
    retriable=True,
    scope="app",
    retry_after_s=TOO_MANY_CLIENT_TOKENS_S,
)
# A create call with a used or expired upload handle: the publication uploads again.
HANDLE_SPENT = CodeMeaning("media", "上传凭据已被使用或失效，将重新上传", OLD_CODES, retriable=True)

UNTIL_NEXT_DAY = frozenset({"28003017", "2190001", "2114007"})
CAPABILITY_MISSING = frozenset({"28001014", "28001018", "28001019", "28001056", "2190004", "2100007", "2112001"})
NOT_GRANTED = frozenset({"28001012", "2190003"})
BAD_PARAMETER = frozenset({"28001007", "2100005", "2190007"})

UPLOAD_EXPIRED = "upload_expired"


def upload_expired() -> PlatformError:
    """The upload_id of an upload in parts has expired; the upload starts again. The code is not Douyin's."""
    return PlatformError(
        "分片上传的 upload_id 已失效（有效期 2 小时），将重新开始上传 / upload_id expired, the upload starts again",
        error_class="media",
        sent="yes",
        retriable=True,
        code=UPLOAD_EXPIRED,
    )


def review_refused() -> PlatformError:
    """The review refused the post: it exists, but only its author can see it."""
    return PlatformError(
        "审核未通过，作品不适宜公开（video_status 2） / the review refused the post",
        error_class="content",
        sent="yes",
        code="video_status_2",
    )


# --- reading a refusal ----------------------------------------------------------------------------------------------


def refusal_in(body: Mapping[str, Any], status: int, overrides: Mapping[str, CodeMeaning]) -> PlatformError | None:
    """The error of an answer, from any of the fields that may hold its code; None for a success."""
    data, extra = _mapping(body.get("data")), _mapping(body.get("extra"))
    code = _code(body, data, extra)
    if code is None and status < 400 and body.get("message") != "error":
        return None
    message = _message(body, data, extra)
    error = ERRORS.error(code or f"http_{status}", message, override=overrides.get(code or ""))
    if code in UNTIL_NEXT_DAY:
        error.retry_after_s = _until_next_day(extra.get("now")) or error.retry_after_s
    return error


def _code(body: Mapping[str, Any], data: Mapping[str, Any], extra: Mapping[str, Any]) -> str | None:
    """The most specific code: a known one before an unknown one, the general code before the sub code."""
    candidates = (data.get("error_code"), extra.get("error_code"), body.get("err_no"), extra.get("sub_error_code"))
    codes = [str(code) for code in candidates if code not in (None, "", 0, "0")]
    return next((code for code in codes if code in ERRORS.meanings), codes[0] if codes else None)


def _message(body: Mapping[str, Any], data: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
    texts = (data.get("description"), extra.get("description"), extra.get("sub_description"), body.get("err_msg"))
    text = next((str(one) for one in texts if one), "")
    log_id = extra.get("logid") or extra.get("log_id") or data.get("log_id") or body.get("log_id")
    return f"{text} logid={log_id}" if log_id else text


def _until_next_day(now_ms: Any) -> float | None:
    """Seconds from the platform's clock to its next midnight, when daily quotas are reset."""
    try:
        now = datetime.fromtimestamp(int(now_ms) / 1000, BEIJING)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - now).total_seconds() + 60.0 if now.timestamp() > 0 else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
