"""What the simulated WeChat tells the account's server, encrypted and signed (B6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.adapter_wechat.callbacks import encrypted, signature
from services.simulator.contract import OutgoingCallback, SimAccount, SimPost, World


def _call_back(world: World, account: SimAccount, name: str, inside: str) -> None:
    """An event, signed; encrypted for accounts in safe mode. It comes from a follower, as the samples show."""
    options, now = account.options, int(world.now().timestamp())
    message = (
        f"<xml><ToUserName><![CDATA[{account.open_id}]]></ToUserName>"
        f"<FromUserName><![CDATA[oAdministrator00000000000001]]></FromUserName><CreateTime>{now}</CreateTime>"
        f"<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{name}]]></Event>{inside}</xml>"
    )
    token, timestamp, nonce = options.get("callback_token", ""), str(now), str(world.rng.getrandbits(31))
    query = {"signature": signature(token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}
    if key := options.get("encoding_aes_key"):
        sealed = encrypted(key, account.app_id, message.encode(), world.rng.randbytes(16))
        query |= {"encrypt_type": "aes", "msg_signature": signature(token, timestamp, nonce, sealed)}
        owner = f"<ToUserName><![CDATA[{account.open_id}]]></ToUserName>"
        message = f"<xml>{owner}<Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    headers = {"Content-Type": "text/xml"}
    call = OutgoingCallback("POST", message.encode(), headers, query, name=name, accepts=_acknowledged)
    world.call_back(account, call)


def check_address(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The console checks an address that somebody entered: by GET, and wants `echostr` back (B6 [client]: wechatpy)."""
    timestamp, nonce = str(int(world.now().timestamp())), str(world.rng.getrandbits(31))
    token, echo = account.options.get("callback_token", ""), str(world.rng.getrandbits(60))
    signed = signature(token, timestamp, nonce)
    query = {"signature": signed, "timestamp": timestamp, "nonce": nonce, "echostr": echo}

    def echoed(status: int, answer: bytes) -> bool:
        return status == 200 and answer == echo.encode()

    world.call_back(account, OutgoingCallback("GET", query=query, name="address_check", accepts=echoed))
    return {"address": "asked"}


def _acknowledged(status: int, answer: bytes) -> bool:
    """`success` or nothing at all; an encrypted answer begins as any XML does."""
    return (status == 200 and answer.strip() in (b"", b"success")) or answer.startswith(b"<xml>")


def call_back_published(world: World, post: SimPost) -> None:
    """Failures name the articles as repeated fail_idx and carry no article elements."""
    inside = f"<publish_id>{post.ids['publish_id']}</publish_id>"
    if post.state == "live":
        item = f"<item><idx>1</idx><article_url><![CDATA[{post.data['url']}]]></article_url></item>"
        inside += (
            f"<publish_status>0</publish_status><article_id><![CDATA[{post.native_id}]]></article_id>"
            f"<article_detail><count>1</count>{item}</article_detail>"
        )
    else:
        inside += "<publish_status>4</publish_status><fail_idx>1</fail_idx>"
    account = world.accounts[post.account]
    _call_back(world, account, "PUBLISHJOBFINISH", f"<PublishEventInfo>{inside}</PublishEventInfo>")


def call_back_mass(world: World, account: SimAccount, msg_id: str, status: str, url: str | None) -> None:
    reached = account.followers if url else 0
    item = f"<item><ArticleIdx>1</ArticleIdx><ArticleUrl><![CDATA[{url}]]></ArticleUrl></item>" if url else ""
    inside = (
        f"<MsgID>{msg_id}</MsgID><Status><![CDATA[{status}]]></Status><TotalCount>{account.followers}</TotalCount>"
        f"<FilterCount>{reached}</FilterCount><SentCount>{reached}</SentCount><ErrorCount>0</ErrorCount>"
        "<CopyrightCheckResult><Count>0</Count><ResultList></ResultList><CheckState>0</CheckState>"
        f"</CopyrightCheckResult><ArticleUrlResult><Count>{int(bool(url))}</Count>"
        f"<ResultList>{item}</ResultList></ArticleUrlResult>"
    )
    _call_back(world, account, "MASSSENDJOBFINISH", inside)
