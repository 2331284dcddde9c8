"""Checks web addresses that people give us: a scheme, a host, and nothing that points into our own network. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from services.publisher.api.problems import Problem


def address_problem(field: str, address: str | None, *, secure: bool = False) -> Iterator[Problem]:
    """What is wrong with `address`, if anything; secure: only https and only public hosts."""
    if address is None:
        return
    schemes = ("https",) if secure else ("https", "http")
    way_out = "请填写完整网址，中文用百分号编码，如 https://qinghe.example/page / give a whole address, percent-encoded"
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
        if secure:
            address.encode("ascii")
            host.encode("idna")  # refuses what no name server could be asked for
    except ValueError:  # UnicodeError is one
        host, parts = "", urlsplit("")
    if parts.scheme not in schemes or not host or any(character.isspace() for character in address):
        zh, en = f"不是完整的 {' 或 '.join(schemes)} 网址", f"not a whole {' or '.join(schemes)} address"
        yield Problem(field=field, code="not_an_address", message=zh, message_en=en, way_out=way_out)
    elif secure and _private(host):
        zh, en = f"{host} 是内网地址，不能从那里取媒体", f"{host} is a private address"
        yield Problem(
            field=field,
            code="private_address",
            message=zh,
            message_en=en,
            way_out="请先 POST /media 上传 / upload the file instead: POST /media",
        )


def _private(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False  # a name: where it leads is checked by the adapter that fetches it
