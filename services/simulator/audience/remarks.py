"""What people write under posts: believable Chinese comments, drawn by a random generator that the caller seeds."""

from __future__ import annotations

import random
from collections.abc import Callable

_OPENINGS = (
    "",
    "",
    "",
    "",
    "说真的，",
    "刚下班，",
    "路过，",
    "老粉了，",
    "第一次留言，",
    "哈哈哈哈",
    "坦白讲，",
    "emmm ",
)

_PRAISE = (
    "这个真的好看，已经安排上了",
    "质感太好了吧，比想象中还精致",
    "买过上一季的，回购三次，这次必须冲",
    "包装好用心，送长辈很体面",
    "味道清爽不腻，我们全家都喜欢",
    "终于等到了，蹲了好久！",
    "国货真的越来越能打了",
    "客服态度超好，物流也快，点赞",
    "拍得真美，看完就想去现场",
    "这波诚意满满，支持一下",
    "颜值在线，价格也良心",
    "同事推荐来的，果然没让我失望",
)
_NEUTRAL = (
    "蹲一个活动",
    "先收藏，回头再看",
    "坐等测评",
    "来了来了",
    "前排围观",
    "已转给我妈",
    "这个系列之前好像也出过",
    "标记一下，双十一再说",
    "原来是这个牌子啊",
    "打卡",
    "我在等线下店到货",
    "包装换新了？",
)
_COMPLAINT = (
    "价格又涨了，有点劝退",
    "上次买的漏了一瓶，客服到现在没回我",
    "图片跟实物差太多了吧，失望",
    "发货太慢，等了八天还在路上",
    "广告味有点重，取关了",
    "味道一般，不会再买第二次",
    "领券页面一直转圈，活动是假的吗",
    "盒子压坏了，申请售后被拒，无语",
    "说好的赠品呢？？？",
    "能不能先把品控做好再谈新品",
)
_QUESTION = (
    "请问什么时候开售呀？",
    "孕妇可以喝吗？",
    "保质期多久？夏天要放冰箱吗",
    "线下哪里能买到，成都有店吗？",
    "礼盒可以单独开发票吗？",
    "和去年那款有什么区别？",
    "包邮吗？新疆发不发",
    "这个是有糖的还是无糖的？",
    "学生党有优惠吗",
    "求链接！！",
)
_ANSWERS = (
    "同问",
    "我也想知道",
    "有的，旗舰店第一页就是",
    "我问过客服，说下周补货",
    "亲测可以，放心",
    "不至于吧，我的没问题",
    "握手，我也是",
    "谢谢姐妹！",
    "别被带节奏了，理性一点",
    "真的吗，那我再等等",
)
_TAILS = ("", "", "", "。", "！", "~", "……", " 😂", " 👍👍", " 😍", "🍵", " [赞]", " [哭]", " 🙏", " 👩‍👩‍👧‍👦", " ❤️")
_NEARLY_NOTHING = ("。", "？", "1", "👍", "😂😂😂", "🍵", "[doge]", "…", " ", "", "啊", "@", "🇨🇳")
_STORY = (
    "先说结论：值得，但有几个地方可以更好。",
    "我从三年前开始关注这个牌子，那时候还只有一家小店。",
    "开箱的时候仔细看了，封口、批次、产地都写得很清楚，这点给好评。",
    "第一泡香气很足，第三泡之后就淡了，家里老人说刚好，我自己会觉得少了一点。",
    "快递盒子角上有点压痕，好在里面没事，建议多垫一层。",
    "价格比去年同款贵了十几块，可以理解，不过希望老顾客能有点优惠。",
    "另外小程序里的地址改了两次都没保存上，技术同学看一下吧。",
    "总之会继续支持，也希望别像有些品牌那样火了就变味。",
    "PS：赠的小杯子很可爱，被我家孩子抢走了哈哈哈。",
)
_NICKS = (
    "小满",
    "山间茶客",
    "阿布",
    "糖醋排骨",
    "Vivian",
    "今天也要早睡",
    "北方有鱼",
    "一只橘",
    "老周",
    "momo",
    "林深见鹿",
    "柠檬不酸",
    "打工人小李",
    "晚风",
    "吃货本货",
    "云朵棉花糖",
    "Kevin爱跑步",
    "豆豆妈",
    "江南雨",
    "不加冰",
)


def nickname(rng: random.Random) -> str:
    """An author's name, the same person wherever it is the same string."""
    return f"{rng.choice(_NICKS)}{rng.randrange(10_000, 1_000_000)}"


def remark(rng: random.Random) -> str:
    """A top-level comment: praise 42 %, neutral 22 %, questions 16 %, complaints 12 %, the rest odd sizes."""
    return rng.choices(_WRITERS, weights=(42, 22, 16, 12, 5, 3))[0](rng)


def answer(rng: random.Random) -> str:
    """A reply to another person's comment."""
    return rng.choice(_ANSWERS) + rng.choice(_TAILS)


def _phrase(pool: tuple[str, ...]) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(_OPENINGS) + rng.choice(pool) + rng.choice(_TAILS)


def _story(rng: random.Random) -> str:
    return "".join(rng.choice(_STORY) for _ in range(rng.randrange(6, 30)))


_WRITERS = (
    _phrase(_PRAISE),
    _phrase(_NEUTRAL),
    _phrase(_QUESTION),
    _phrase(_COMPLAINT),
    lambda rng: rng.choice(_NEARLY_NOTHING),
    _story,
)
