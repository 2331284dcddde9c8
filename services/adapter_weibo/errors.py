"""Weibo's error codes as a table: class, scope, outcome, retry. No behaviour.

Sources: WB-WIKI Error_code as mirrored by clients [client]; the wording is this project's. `outcome`: may a post exist
after this answer?
"""

from __future__ import annotations

from services.adapter.contract.errors import CodeMeaning, ErrorTable, Scope

WIKI = "WB-WIKI Error_code [client]"
OAUTH = "WB-WIKI Error_code, OAuth part [client]"
REMEMBERED = "[memory]"
MINUTE = 60.0

_MISSING_LINK = "开放接口要求正文含安全域名下的链接，并且不能有 #话题#"


def _down(meaning: str) -> CodeMeaning:
    """A failure inside Weibo: the call may or may not have taken effect."""
    return CodeMeaning("platform_down", meaning, WIKI, outcome="unknown", retriable=True)


def _limited(meaning: str, scope_app: bool = False, wait_s: float = MINUTE) -> CodeMeaning:
    """Over a limit; limits reset on the hour [memory], and asking once a minute until then costs nothing."""
    scope: Scope = "app" if scope_app else "account"
    return CodeMeaning("quota", meaning, WIKI, retriable=True, scope=scope, retry_after_s=wait_s)


def _ours(meaning: str) -> CodeMeaning:
    return CodeMeaning("bug", meaning, WIKI)


def _words(meaning: str) -> CodeMeaning:
    return CodeMeaning("content", meaning, WIKI)


def _repeated(meaning: str) -> CodeMeaning:
    """Refused as a repetition: after a call with unknown outcome the first post is very probably ours."""
    return CodeMeaning("content", meaning, WIKI, outcome="already_posted")


def _person(meaning: str, source: str = WIKI, scope_app: bool = False) -> CodeMeaning:
    return CodeMeaning("needs_human", meaning, source, scope="app" if scope_app else "account")


def _risk(meaning: str) -> CodeMeaning:
    return CodeMeaning("account_risk", meaning, WIKI, scope="account")


def _token(meaning: str, new_token: bool = False) -> CodeMeaning:
    return CodeMeaning("auth", meaning, OAUTH, scope="account", new_token=new_token)


def _oauth_setup(meaning: str, source: str = OAUTH) -> CodeMeaning:
    return CodeMeaning("auth", meaning, source, scope="app")


MEANINGS: dict[str, CodeMeaning] = {
    # --- system ---
    "10001": _down("微博系统错误"),
    "10002": _down("微博服务暂停"),
    "10003": _down("微博远程服务错误"),
    "10004": _person("本机 IP 受到限制，不能请求该资源", scope_app=True),
    "10005": _person("应用没有调用该接口的权限，请在开放平台申请", scope_app=True),
    "10006": _token("缺少 appkey 或 access_token"),
    "10007": _ours("不支持的媒体类型（请求格式）"),
    "10008": _ours("参数错误"),
    "10009": _down("微博任务过多，系统繁忙"),
    "10010": _down("微博任务超时"),
    "10011": _down("微博 RPC 错误"),
    "10012": _ours("非法请求"),
    "10013": _person("不是合法的微博用户"),
    "10014": _person("应用的接口访问权限不够，请在开放平台申请", scope_app=True),
    "10016": _ours("缺少必选参数"),
    "10017": _ours("参数值非法"),
    "10018": _ours("请求长度超过限制"),
    "10020": _ours("接口不存在"),
    "10021": _ours("请求的 HTTP 方法不支持"),
    "10022": _limited("本机 IP 请求频次超过上限，整点恢复", scope_app=True, wait_s=5 * MINUTE),
    "10023": _limited("账号请求频次超过上限，整点恢复"),
    "10024": _limited("账号对该接口的请求频次超过上限，整点恢复"),
    # --- statuses ---
    "20003": _person("用户不存在"),
    "20005": CodeMeaning("media", "不支持的图片类型，仅支持 JPEG、GIF、PNG", WIKI),
    "20006": CodeMeaning("media", "图片太大，须小于 5 MB", WIKI),
    "20007": _ours("图片未用 multipart/form-data 上传"),
    "20008": _words("正文为空"),
    "20012": _words("正文超过 140 字"),
    "20013": _words("正文超过 300 字"),
    "20014": CodeMeaning("platform_down", "安全检查参数有误，请再调用一次", WIKI, retriable=True, retry_after_s=1.0),
    "20015": _risk("账号、IP 或应用非法，暂时无法完成操作"),
    "20016": _limited("发布内容过于频繁"),
    "20017": _repeated("提交相似的内容"),
    "20018": _words("包含非法网址"),
    "20019": _repeated("短时间内重复提交相同内容"),
    "20020": _words("包含广告信息"),
    "20021": _words("包含非法内容，未通过审核"),
    "20022": CodeMeaning("account_risk", "本机 IP 行为异常", WIKI, scope="app"),
    "20031": _risk("需要输入验证码，请到微博客户端处理"),
    "20032": CodeMeaning(
        "platform_down", "发布成功，但服务器较慢，请等 1–2 分钟", WIKI, outcome="published", retry_after_s=90.0
    ),
    "20049": _words("超过长微博的字数上限"),
    "20101": _words("微博不存在"),
    "20102": _ours("不是自己的微博"),
    "20104": _words("不合法的微博"),
    "20109": _ours("微博 ID 为空"),
    "20111": _repeated("不能发布重复的内容"),
    # --- comments ---
    "20201": _words("评论不存在"),
    "20202": _words("不合法的评论"),
    "20203": _ours("不是自己的评论"),
    "20204": _ours("评论 ID 为空"),
    "20507": _risk("需要输入验证码，请到微博客户端处理"),
    # --- OAuth ---
    "21301": _token("认证失败"),
    "21302": _token("用户名或密码不正确"),
    "21303": _limited("用户名密码认证超过请求限制"),
    "21304": _oauth_setup("OAuth 版本号错误"),
    "21305": _oauth_setup("OAuth 缺少必要参数"),
    "21306": _oauth_setup("OAuth 参数被拒绝"),
    "21307": _oauth_setup("OAuth 时间戳不正确"),
    "21308": _oauth_setup("OAuth nonce 已被使用"),
    "21309": _oauth_setup("OAuth 签名方式不支持"),
    "21310": _oauth_setup("OAuth 签名值不合法"),
    "21311": _oauth_setup("appkey 不存在"),
    "21312": _oauth_setup("appkey 不合法"),
    "21313": _oauth_setup("缺少 appkey"),
    "21314": _token("授权已被使用，请重新授权"),
    "21315": _token("授权已过期，请重新授权", new_token=True),
    "21316": _token("授权已被撤销，请重新授权"),
    "21317": _token("授权不合法，请重新授权"),
    "21318": _token("授权验证码有误"),
    "21319": _token("用户已解除授权，请重新授权"),
    "21320": _oauth_setup("OAuth2 必须使用 https"),
    "21321": _person("未审核的应用超过用户数上限，请提交审核或添加测试账号", OAUTH, scope_app=True),
    "21322": _oauth_setup("回调地址与登记的不一致", REMEMBERED),
    "21323": _oauth_setup("OAuth 请求不合法", REMEMBERED),
    "21324": _oauth_setup("appkey 或 app secret 不正确", REMEMBERED),
    "21325": _token("授权码无效、已使用或已过期，请重新授权"),
    "21326": _oauth_setup("应用没有取得授权", REMEMBERED),
    "21327": _token("access_token 已过期，请重新授权", new_token=True),
    "21328": _oauth_setup("不支持的 grant_type", REMEMBERED),
    "21329": _oauth_setup("不支持的 response_type", REMEMBERED),
    "21330": _token("用户或授权服务器拒绝授权"),
    "21331": CodeMeaning("platform_down", "授权服务暂时无法访问", REMEMBERED, retriable=True, scope="app"),
    "21332": _token("access_token 不存在或无效，请重新授权", new_token=True),
    "21602": _words("包含敏感词"),
}

ERRORS = ErrorTable("weibo", MEANINGS)

SHARE_PARAMETER = CodeMeaning("content", _MISSING_LINK, "wb4java, `text not find domain` [client]")
"""10017 of `statuses/share`: the fault is in the text, not in the call."""

GONE = frozenset({"20101", "20104"})
"""Codes of `statuses/show` and `statuses/destroy` that say that the post is not there (any more)."""

NOT_ALLOWED = frozenset({"10005", "10014"})
"""Codes that say that the app may not call this interface at all."""
