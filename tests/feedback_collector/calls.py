"""Valid calls of every platform and mode, as bytes to be broken and signed anew, and the process that takes them."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.adapter_wechat.callbacks import encrypted, signature
from services.runtime.settings import KafkaSettings
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
SECRET, TOKEN, KEY = "hostile-secret", "hostileToken", "hostileAesKeyOfTheTeaAccount000000000000001"
ACCOUNTS = f"""
accounts:
  - {{platform: wechat, account: plain, brand_id: qinghe, way: publish, app_id: wx1, app_secret: s,
      options: {{callback_token: {TOKEN}}}}}
  - {{platform: wechat, account: safe, brand_id: qinghe, way: publish, app_id: wx2, app_secret: s,
      options: {{callback_token: {TOKEN}, encoding_aes_key: {KEY}}}}}
  - {{platform: douyin, account: tea, brand_id: qinghe, way: server, app_id: aw1, app_secret: {SECRET}, open_id: me}}
  - {{platform: weibo, account: tea, brand_id: qinghe, way: open, app_id: "31", app_secret: {SECRET}, open_id: "19",
      access_token: t}}
"""
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Request:
    """As it goes over the wire."""

    path: str
    body: bytes = b""
    method: str = "POST"
    query: Mapping[str, str] | None = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of call. whole: a valid body, new each time. sign: the request that carries a body, rightly signed."""

    name: str
    whole: Callable[[], bytes]
    sign: Callable[[bytes], Request]


def fresh() -> str:
    return f"{os.getpid()}{next(_numbers)}"


# --- bodies ---


def published() -> bytes:
    return (
        f"<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o1]]></FromUserName><CreateTime>1700000000"
        f"</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[PUBLISHJOBFINISH]]></Event><PublishEventInfo>"
        f"<publish_id>{fresh()}</publish_id><publish_status>0</publish_status><article_id><![CDATA[b5O2]]></article_id>"
        f"<article_detail><count>1</count><item><idx>1</idx><article_url><![CDATA[https://mp.weixin.qq.com/s?mid=26&idx=1"
        f"]]></article_url></item></article_detail></PublishEventInfo></xml>"
    ).encode()


def sent_to_all() -> bytes:
    return (
        f"<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1700000000</CreateTime>"
        f"<MsgType>event</MsgType><Event>MASSSENDJOBFINISH</Event><MsgID>{fresh()}</MsgID><Status>send success</Status>"
        f"<TotalCount>9</TotalCount></xml>"
    ).encode()


def commented() -> bytes:
    content = {
        "comment_id": f"@c{fresh()}", "comment_user_id": "person", "content": "好喝🍵", "create_time": 1700000000,
        "digg_count": 2, "reply_comment_total": 0, "reply_to_comment_id": "", "reply_to_item_id": "@item==",
    }  # fmt: skip
    return _event("item_comment_reply", content, "person", "me")


def shared() -> bytes:
    return _event("create_video", {"share_id": fresh(), "item_id": "@item=="}, "me", "")


def withdrawn() -> bytes:
    return _event("unauthorize", {"scopes": ["user_info"]}, "me", "")


def _event(event: str, content: Mapping[str, object], by: str, towards: str) -> bytes:
    said = {
        "event": event, "client_key": "aw1", "from_user_id": by, "to_user_id": towards, "log_id": fresh(),
        "content": json.dumps(content) if next(_numbers) % 2 else content,
    }  # fmt: skip
    return json.dumps(said, ensure_ascii=False).encode()


def revocation() -> bytes:
    return f"source=31&uid=19&auth_end={int(time.time()) - next(_numbers)}&verification=a1b2".encode()


# --- signatures ---


def plainly(body: bytes) -> Request:
    return Request("/callbacks/wechat/plain", body, query=_signed(TOKEN))


def safely(body: bytes) -> Request:
    sealed = encrypted(KEY, "wx2", body, os.urandom(16))
    query = _signed(TOKEN)
    query["msg_signature"] = signature(TOKEN, query["timestamp"], query["nonce"], sealed)
    envelope = f"<xml><ToUserName>gh_1</ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    return Request("/callbacks/wechat/safe", envelope.encode(), query=query)


def by_header(body: bytes) -> Request:
    signed = hashlib.sha1(SECRET.encode() + body).hexdigest()
    return Request("/callbacks/douyin/tea", body, headers={"X-Douyin-Signature": signed, "Msg-Id": fresh()})


def by_query(body: bytes) -> Request:
    return Request("/callbacks/weibo/tea", body, query=_signed(SECRET))


def unsigned(body: bytes) -> Request:
    return Request("/callbacks/weibo/tea", body)


def _signed(secret: str) -> dict[str, str]:
    stamp, nonce = str(int(time.time())), fresh()
    return {"signature": signature(secret, stamp, nonce), "timestamp": stamp, "nonce": nonce}


KINDS = (
    Kind("wechat plain publish", published, plainly),
    Kind("wechat plain mass", sent_to_all, plainly),
    Kind("wechat aes publish", published, safely),
    Kind("wechat aes mass", sent_to_all, safely),
    Kind("douyin comment", commented, by_header),
    Kind("douyin share", shared, by_header),
    Kind("douyin unauthorize", withdrawn, by_header),
    Kind("weibo revocation", revocation, unsigned),
    Kind("weibo message", lambda: json.dumps({"type": "text", "text": "在吗", "id": fresh()}).encode(), by_query),
)


# --- the process ---


@dataclass
class Collector:
    url: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def lines(self, *words: str) -> list[str]:
        return [line for line in self.log.read_text("utf-8").splitlines() if any(word in line for word in words)]

    def defects(self) -> list[str]:
        return self.lines('"callback_bug"', '"callback_follower_bug"', "Traceback", '"service_crashed"')


@contextmanager
def collector(folder: Path, kafka: KafkaSettings) -> Iterator[Collector]:
    folder.mkdir(parents=True, exist_ok=True)
    accounts, log = folder / "accounts.yaml", folder / "collector.log"
    accounts.write_text(ACCOUNTS)
    env = {
        **os.environ,
        "KAFKA_BOOTSTRAP": kafka.bootstrap,
        "TONGBO_PARTITIONS": str(kafka.partitions),
        "TONGBO_ACCOUNTS": str(accounts),
        "TONGBO_STATE_DIR": str(folder / "state"),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.feedback_collector"], env=env, cwd=ROOT, stdout=out, stderr=out
        )
    try:
        yield _listening(process, log)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listening(process: subprocess.Popen[bytes], log: Path) -> Collector:
    def listening() -> str | None:
        lines = log.read_text("utf-8").splitlines()
        assert process.poll() is None, "\n".join(lines)
        return next((json.loads(line)["url"] for line in lines if '"callbacks_listening"' in line), None)

    url = wait_for(listening, "the collector listens")
    return Collector(url, int(url.rpartition(":")[2]), log, process)
