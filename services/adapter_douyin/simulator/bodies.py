"""The answers of the simulated Douyin: result codes with their messages, and the two shapes of a body.

Section marks (C1 …) in this folder are those of the platform fact sheet in README.md; a value without a source is
marked [assumption].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.simulator.contract import Call, SimReply, World

WORDS = {
    10003: "client_key错误",
    10007: "授权码过期",
    10008: "access_token无效",
    10010: "refresh_token过期",
    10013: "client_key或client_secret错误",
    10020: "refresh_token续期次数已达上限",
    28001003: "access_token无效",
    28001005: "系统繁忙，此时请开发者稍候再试",
    28001007: "参数不合法",
    28001008: "access_token过期,请刷新或重新授权",
    28001015: "access_token和open_id不匹配",
    28001018: "应用未获得该能力",
    28001056: "该能力API已下线,不再支持调用",
    28003017: "quota已用完",
    28003018: "请求过于频繁",
    2100004: "系统繁忙，此时请开发者稍候再试",
    2100005: "Parameter error",
    2111001: "包含敏感词",
    2111005: "无效的评论",
    2111007: "评论不属于该视频",
    2113001: "素材未通过检查",
    2114007: "发布数量达到当日上限",
    2190002: "access_token无效",
    2190005: "视频文件太大了",
    2190007: "无效的video_id",
    2190008: "access_token过期,请刷新或重新授权",
}
FAULTS = {"rate_limit": 28003018, "token_expired": 28001008, "api_offline": 28001056}
OLD_FAMILY = {28001003: 2190002, 28001007: 2100005, 28001008: 2190008, 28001015: 2190015, 28003017: 2190001}


class DouyinRefusedError(Exception):
    """Raised by a handler to answer with an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def answer(now_ms: int, data: Mapping[str, Any], code: int = 0) -> SimReply:
    """`data` and `extra` hold the code; the trace id is `log_id` in old-style errors, else `logid` (C6 samples)."""
    message = WORDS.get(code, "系统错误") if code else ""
    old = 2000000 < code < 3000000
    extra = {
        "error_code": code,
        "description": message,
        "sub_error_code": 0,
        "sub_description": message if code and not old else "",
        "log_id" if old else "logid": f"{now_ms}0101980821035705926A",
        "now": now_ms,
    }
    return SimReply({"data": {"error_code": code, "description": message, **data}, "extra": extra})


def oauth_answer(data: Mapping[str, Any], code: int = 0) -> SimReply:
    message = WORDS.get(code, "参数错误") if code else ""
    fields = {"captcha": "", "desc_url": "", "description": message, "error_code": code, **data}
    return SimReply({"data": fields, "message": "error" if code else "success"})


def as_strings(value: Any) -> Any:
    """The same body with numbers as strings, as in many samples of the documentation (D 22)."""
    if isinstance(value, dict):
        return {name: as_strings(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_strings(one) for one in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def epoch_ms(world: World) -> int:
    return int(world.now().timestamp() * 1000)


def json_body(call: Call) -> dict[str, Any]:
    """The JSON object of a call. Raises DouyinRefusedError if the body is something else."""
    if not isinstance(call.json, dict):
        raise DouyinRefusedError(28001007)
    return call.json
