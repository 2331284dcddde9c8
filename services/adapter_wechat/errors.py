"""Every known WeChat error code, and what it means for us: above all, whether a post may exist. A table, no I/O.

Success is `errcode` 0 or no `errcode` at all; the texts beside the codes vary, so only the numbers are read.
"""

from __future__ import annotations

from schemas.events.placement import ErrorClass
from services.adapter.contract.errors import CodeMeaning, ErrorTable, Scope

DRAFT_GONE = "40007"
NO_SUCH_ARTICLE = "53600"
ALREADY_SENT = "45065"
APPROVAL = ("89504", "89505")
QUOTA_NOT_TOLD = ("48001", "76021", "76022")
TOO_OFTEN = ("45009", "45011")
DATE_OUT_OF_RANGE = "61501"
STATISTICS_NOT_READY = "61503"

_HOUR = 3600.0
_DOC = "doc"
_CLIENT = "client"


def _row(
    error_class: ErrorClass, meaning: str, source: str = _DOC, scope: Scope = "post", wait: float | None = None
) -> CodeMeaning:
    """The platform did nothing. wait: seconds after which the same call may work."""
    return CodeMeaning(error_class, meaning, source, scope=scope, retriable=wait is not None, retry_after_s=wait)


def _token(meaning: str) -> CodeMeaning:
    return CodeMeaning("auth", meaning, _DOC, scope="account", new_token=True)


def _busy(meaning: str, source: str) -> CodeMeaning:
    """Busy is no promise that nothing was done: a call that makes a post is looked for first."""
    return CodeMeaning("platform_down", meaning, source, outcome="unknown", retriable=True)


_AUTH = {
    "40001": _token("access_token 无效或不是最新"),
    "40014": _token("access_token 不合法"),
    "42001": _token("access_token 已过期"),
    "41001": _row("bug", "缺少 access_token 参数", scope="app"),
    "40002": _row("bug", "grant_type 不合法", scope="app"),
    "40013": _row("auth", "appid 不合法，请核对账号配置", scope="account"),
    "40125": _row("auth", "AppSecret 不正确，请核对账号配置", scope="account"),
    "40164": _row("auth", "服务器 IP 不在公众号的 IP 白名单内，请在公众平台添加", scope="account"),
    "40243": _row("auth", "AppSecret 已被冻结，请管理员在公众平台解冻", scope="account"),
    "41002": _row("auth", "缺少 appid，请补全账号配置", scope="account"),
    "41004": _row("auth", "缺少 AppSecret，请补全账号配置", scope="account"),
    "89503": _row("auth", "此 IP 正等待管理员确认", scope="account", wait=600.0),
    "89506": _row("auth", "管理员拒绝了此 IP，24 小时内不能再申请", scope="account", wait=24 * _HOUR),
    "89507": _row("auth", "管理员拒绝了此 IP，1 小时内不能再申请", scope="account", wait=_HOUR),
}

_PERMISSION = {
    "48001": _row("needs_human", "公众号没有这个接口的权限（发布接口需服务号或已认证企业订阅号）", scope="account"),
    "48003": _row("needs_human", "管理员尚未同意群发协议", _CLIENT, scope="account"),
    "48004": _row("account_risk", "接口被封禁，请在公众平台查看", scope="account"),
    "48008": _row("needs_human", "没有这种消息类型的权限", _CLIENT, scope="account"),
    "50002": _row("account_risk", "账号受限，可能已违规", scope="account"),
    "50004": _row("account_risk", "token 接口被禁止", scope="account"),
    "50007": _row("account_risk", "公众号已被冻结", scope="account"),
    "53503": _row("needs_human", "草稿未通过发布检查，请到公众平台处理"),
    "53504": _row("needs_human", "草稿需要到公众平台官网操作"),
    "53505": _row("needs_human", "请先在公众平台手动保存草稿，再发布"),
    "53402": _row("needs_human", "封面裁剪失败，请检查裁剪参数或更换封面", _CLIENT),
    "48021": _row("needs_human", "草稿只有自动保存的版本，请先手动保存", _CLIENT),
    "48022": _row("needs_human", "接口上传的视频不能用接口群发", _CLIENT),
    "45062": _row("needs_human", "账号有广告合约，不能用接口群发", _CLIENT, scope="account"),
}

_QUOTA = {
    "45009": _row("quota", "该接口今日调用次数已用完（北京时间零点恢复）", scope="account", wait=_HOUR),
    "45011": _row("quota", "接口调用太频繁，请下一分钟再试", scope="account", wait=60.0),
    "48006": _row("quota", "本月清零接口次数的机会已用完", scope="account"),
    "45028": _row("quota", "群发次数已用完，需等下一周期", _CLIENT, scope="account", wait=6 * _HOUR),
}

_MEDIA = {
    "40004": _row("media", "素材类型不合法"),
    "40005": _row("media", "文件类型不合法"),
    "40006": _row("media", "文件大小不合法"),
    "40007": _row("media", "media_id 无效（素材或草稿不存在，或草稿已被发布）"),
    "40008": _row("bug", "消息类型不合法"),
    "40009": _row("media", "图片大小或格式不合法"),
    "40010": _row("media", "语音大小不合法"),
    "40011": _row("media", "视频大小不合法"),
    "40012": _row("media", "缩略图大小不合法"),
    "40113": _row("media", "请求中没有文件", _CLIENT),
    "40118": _row("media", "media_id 大小不合法", _CLIENT),
    "40121": _row("media", "media_id 类型不合法", _CLIENT),
    "40137": _row("media", "图片格式不支持", _CLIENT),
    "40215": _row("media", "图片数量过多", _CLIENT),
    "41005": _row("media", "缺少素材文件"),
    "44001": _row("media", "素材文件为空", _CLIENT),
    "45001": _row("media", "素材文件超过大小限制", _CLIENT),
    "45007": _row("media", "语音时长超限", _CLIENT),
}

_CONTENT = {
    "41039": _row("content", "“阅读原文”链接不合法", _CLIENT),
    "41040": _row("content", "不满足原创群发规则", _CLIENT),
    "44002": _row("bug", "请求内容为空", _CLIENT),
    "44003": _row("content", "图文内容为空", _CLIENT),
    "44004": _row("content", "正文为空", _CLIENT),
    "45002": _row("content", "正文超过长度限制", _CLIENT),
    "45003": _row("content", "标题超过长度限制"),
    "45004": _row("content", "摘要超过长度限制"),
    "45005": _row("content", "链接超过长度限制", _CLIENT),
    "45006": _row("content", "图片链接超过长度限制", _CLIENT),
    "45008": _row("content", "文章或图片数量超过限制"),
    "45110": _row("content", "作者名超过长度限制", "memory"),
    "45166": _row("content", "正文含有不允许的内容", _CLIENT),
    "53404": _row("content", "账号没有插入商品卡片的权限"),
    "53405": _row("content", "商品卡片的商品不可用"),
    "53406": _row("content", "商品卡片的参数不正确"),
}

_REQUEST = {
    "-1": _busy("系统繁忙", _DOC),
    "61450": _busy("系统错误（繁忙）", _CLIENT),
    "40033": _row("bug", "请求含 \\uXXXX 转义或不允许的字符", _CLIENT),
    "40114": _row("bug", "文章序号 index 不合法", _CLIENT),
    "40152": _row("bug", "标签 id 不合法", _CLIENT),
    "43001": _row("bug", "应使用 GET 请求", _CLIENT),
    "43002": _row("bug", "应使用 POST 请求"),
    "43003": _row("bug", "应使用 HTTPS 请求", _CLIENT),
    "47001": _row("bug", "请求内容不是合法的 JSON", _CLIENT),
}

_PUBLISHED = {
    "53600": _row("content", "article_id 无效，没有这篇已发布的文章"),
    # Asynchronous results of freepublish/get and mass/get; not `errcode`s, but answers of the same weight.
    "publish_status_2": _row("content", "原创校验未通过，文章没有发布"),
    "publish_status_3": _row("needs_human", "平台发布失败，未说明原因，请到公众平台查看"),
    "publish_status_4": _row("content", "平台审核未通过，文章没有发布"),
    "msg_status_SEND_FAIL": _row("content", "群发失败（多为审核未通过或原创校验未过），没有送达", _CLIENT),
}

_MASS = {
    "45065": CodeMeaning("content", "此 clientmsgid 已群发过", _CLIENT, outcome="published"),
    # "Retried too fast" says that a call with this id was there just now, not what became of it.
    "45066": CodeMeaning(
        "quota",
        "同一 clientmsgid 重试太快，请一分钟后再试",
        _CLIENT,
        outcome="unknown",
        retriable=True,
        retry_after_s=60.0,
    ),
    "45067": _row("bug", "clientmsgid 过长", _CLIENT),
    # The administrator may still confirm, and then it is sent: not a refusal.
    "89504": CodeMeaning("needs_human", "群发正等待管理员确认", _CLIENT, outcome="unknown", scope="account"),
    "89505": CodeMeaning("needs_human", "群发已提交管理员确认", _CLIENT, outcome="unknown", scope="account"),
}

_COMMENTS = {
    "88000": _row("needs_human", "公众号没有留言权限", scope="account"),
    "88001": _row("content", "没有这条已发布的消息（msg_data_id）"),
    "88002": _row("content", "文章因安全原因限制留言", _CLIENT),
    "88003": _row("content", "精选留言数已达上限", _CLIENT),
    "88004": _row("content", "留言已被作者删除", _CLIENT),
    # One reply a comment: after an unanswered reply it is our own.
    "88005": CodeMeaning("content", "已回复过这条留言", _CLIENT, outcome="already_posted"),
    "88007": _row("content", "回复为空或过长", _CLIENT),
    "88008": _row("content", "留言不存在", _CLIENT),
    "88010": _row("bug", "count 超出范围（须小于 50）", _CLIENT),
}

_STATISTICS = {
    "61500": _row("bug", "日期格式不正确", _CLIENT),
    "61501": _row("bug", "日期范围过长或超出可查询范围", _CLIENT),
    "61503": _row("platform_down", "该日统计数据尚未就绪", _CLIENT, wait=_HOUR),
    "76001": _row("bug", "rid 不存在", _CLIENT),
    "76002": _row("bug", "rid 格式不正确", _CLIENT),
    "76003": _row("bug", "rid 不属于此账号", _CLIENT),
    "76004": _row("bug", "rid 已过期（只保留 7 天）", _CLIENT),
    "76021": _row("bug", "没有这个 cgi_path", _CLIENT),
    "76022": _row("bug", "cgi_path 属于另一类账号", _CLIENT),
}

ERRORS = ErrorTable(
    "wechat",
    _AUTH | _PERMISSION | _QUOTA | _MEDIA | _CONTENT | _REQUEST | _PUBLISHED | _MASS | _COMMENTS | _STATISTICS,
)

TOKEN_ENDPOINT = {
    # Here 40001 speaks of the secret: asking for another token would go round in circles.
    "40001": _row("auth", "AppSecret 不正确，请核对账号配置", scope="account"),
    "-1": _row("platform_down", "系统繁忙", wait=1.0),
}
"""What codes mean on the token endpoint, where it differs."""

SUBMIT = {
    # A draft leaves the box when it is published: after a call without an answer this is our own post.
    DRAFT_GONE: CodeMeaning("content", "草稿不存在或已被发布", _DOC, outcome="already_posted"),
}
"""What codes mean on freepublish/submit and message/mass/sendall, where it differs."""
