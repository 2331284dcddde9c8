"""Reads and checks the parameters of a call to the simulated Weibo. Changes nothing."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import orjson

from services.adapter.localising.text import URL, gbk_length
from services.adapter_weibo.simulator.refusals import WeiboRefusedError
from services.simulator.contract import Call, UploadedFile

STATUS_MAX = 140
LONG_STATUS_MAX = 2000  # wb4java field comment, from the doc [client]
SHORT_LINK = 11  # a link counts as the short link that it becomes [memory]
PICTURE_BELOW = 5 * 1024 * 1024  # [doc]
TOPIC = re.compile(r"#[^#\n]+#")


def status_text(call: Call) -> str:
    text = (call.param("status") or "").strip()
    if not text:
        raise WeiboRefusedError(20008)
    if call.param("is_longtext") == "1":
        if len(text) > LONG_STATUS_MAX:
            raise WeiboRefusedError(20049)
    elif text_length(text) > STATUS_MAX:
        raise WeiboRefusedError(20012)
    return text


def text_length(text: str) -> int:
    """140 by the stricter of both countings; links as short links."""
    links, prose = len(URL.findall(text)), URL.sub("", text)
    return max(len(prose), (gbk_length(prose) + 1) // 2) + links * SHORT_LINK


def picture_hashes(call: Call, *, needed: bool) -> tuple[str, ...]:
    picture = call.files.get("pic")
    if picture is None:
        if needed:
            raise WeiboRefusedError(20007)
        return ()
    if picture.size >= PICTURE_BELOW:
        raise WeiboRefusedError(20006)
    if not _is_picture(picture):
        raise WeiboRefusedError(20005)
    return (picture.sha256,)


def _is_picture(file: UploadedFile) -> bool:
    return file.head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))


def is_under(url: str, domain: str) -> bool:
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:  # what looks like an address in a text need not be one
        return False
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def placement_hint(call: Call) -> str | None:
    try:
        rows = orjson.loads(call.param("annotations") or "[]")
    except orjson.JSONDecodeError:
        raise WeiboRefusedError(10008) from None
    return next((str(row["tongbo"]) for row in rows if isinstance(row, dict) and "tongbo" in row), None)


def whole_number(call: Call, name: str, default: int) -> int:
    value = call.param(name) or str(default)
    if not value.isascii() or not value.isdecimal():
        raise WeiboRefusedError(10008)
    return int(value)
