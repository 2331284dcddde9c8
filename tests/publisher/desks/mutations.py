"""Valid requests and files, broken at random in the ways that people, editors and attackers break them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

FRAGMENTS = (
    "http://[", "https://[::1", "http://a:99999/", "http://.../", "http://a..b/", "http://xn--/", "http://user:pw@h/",
    "http://例子.测试/路径?查询=1#段", "http://" + "a" * 300 + "/", "//", "mailto:", "javascript:alert(1)",
    "[x](http://[)", "<https://[>", "[a]: http://[\n[a]", "![图](media:nope)", "![](media:)", "![](http://[)",
    "![](data:image/png;base64,AAAA)", "[](<>)", "# ", "\n\n# 标题\n\n", "#", "##", "#话题#", "@", "@某人 ", "@\u200b",
    "<script>alert(1)</script>", "</p></section>", "<img src=x onerror=y>", "&#0;", "&#x110000;", "&lt;", "<!--", "]]>",
    "```", "`", "|a|b|\n|-|-|\n|1|", "> > > ", "1. \n   - \n", "***", "~~", "\\", "{}", "{{x}}", "${x}", "%s", "%",
    "\x00", "\x0b", "\x1b[31m", "\r", "\r\n", "\t", "\x7f", "\x85", "\u2028", "\ufeff", "\u202e", "\u200d", "\ufffe",
    "😀", "👨‍👩‍👧‍👦", "🇨🇳", "e\u0301" * 20, "İ", "ß", "ﷺ", "ａｂ", "𠮷", "頭髮乾後面", "最佳", "国家级第一", "　", " ",
    "字" * 150, "长" * 3_000, "a " * 1_500,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**70), 1.5, -0.0, 1e308, 1e-320, "", " ", [], {}, [[]], [None],
    {"": ""}, {"type": "x"}, "null", "2026-11-11T10:00:00+08:00", "2026-11-11T10:00", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00", "2026-02-30T10:00", "24:00", "Asia/Nowhere", "../../etc", "file:///etc/passwd", "\n",
    "qinghe-tea\n", "weibo", "wechat", "douyin", "qinghe", "a" * 200, "Ａ",
)  # fmt: skip

Path = tuple[str | int, ...]
fragment = st.sampled_from(FRAGMENTS) | st.text(max_size=20)
value = st.sampled_from(VALUES) | fragment | st.recursive(st.none() | st.integers(), st.lists, max_leaves=5)


def paths(data: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in it but the whole."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, one in inner:
        yield (*at, name)
        yield from paths(one, (*at, name))


@st.composite
def broken(draw: st.DrawFn, whole: Any) -> Any:
    """A copy with one to three things changed; now and then it is still valid."""
    found = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        places = list(paths(found))
        if not places:
            break
        place = draw(st.sampled_from(places))
        holder = _holder(found, place)
        _change(draw, holder, place[-1])
    return found


@st.composite
def reworded(draw: st.DrawFn, whole: Any, fields: frozenset[str], inserted: st.SearchStrategy[str] = fragment) -> Any:
    """A copy with fragments put into its texts: what the first checks let through, and the rules must cope with."""
    found = copy.deepcopy(whole)
    texts = [one for one in paths(found) if not fields.isdisjoint(one) and isinstance(_at(found, one), str)]
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.sampled_from(texts))
        text = _at(found, place)
        at = draw(st.integers(0, len(text)))
        _holder(found, place)[place[-1]] = text[:at] + draw(inserted) + text[at:]
    return found


def _at(data: Any, place: Path) -> Any:
    return _holder(data, place)[place[-1]]


def _holder(data: Any, place: Path) -> Any:
    for name in place[:-1]:
        data = data[name]
    return data


def _change(draw: st.DrawFn, holder: Any, name: str | int) -> None:
    now = holder[name]
    texts = ("insert", "insert", "insert", "repeat") if isinstance(now, str) else ()
    match draw(st.sampled_from(("replace", "remove", "add", *texts))):
        case "replace":
            holder[name] = draw(value)
        case "remove":
            del holder[name]
        case "add" if isinstance(holder, list):
            holder.insert(draw(st.integers(0, len(holder))), copy.deepcopy(now))
        case "add":
            holder[draw(st.text(max_size=8))] = draw(value)
        case "insert":
            at = draw(st.integers(0, len(now)))
            holder[name] = now[:at] + draw(fragment) + now[at:]
        case "repeat":
            holder[name] = now * draw(st.integers(2, 40))
