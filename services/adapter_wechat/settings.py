"""What may be tuned in the WeChat adapter: patience, the token's safety margin, the style of an article."""

from __future__ import annotations

from dataclasses import dataclass

from services.adapter.contract.adapter import Timing

BASE_URL = "https://api.weixin.qq.com"
MASS_FIELD = "mass_send"
"""The draft field that says: send to the followers; its value is what message/mass/sendall takes beside the draft."""

CALLBACK_FRESH_S = 300.0  # [assumption] the platform repeats a call within 15 s; the rest is for clocks that differ

# Publishing usually takes seconds to a few minutes, and a draft may stay in the box until it has ended: looking early
# proves nothing, so the first look is late and three of them have to agree.
TIMING = Timing(look_after_s=180.0, look_every_s=60.0, looks=3, follow_every_s=10.0, call_timeout_s=20.0)


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """margin_s: a token is not used within so many seconds of its end. force_every_s: least time between two forced
    renewals (the platform wants 30 s and allows 20 a day)."""

    margin_s: float = 300.0
    force_every_s: float = 30.0


@dataclass(frozen=True, slots=True)
class LostPublication:
    """How long a consumed draft may stay out of the published list before a person has to look, in seconds."""

    give_up_after_s: float = 3600.0


ARTICLE_CSS = """
h1,h2{font-size:20px;font-weight:bold;line-height:1.5;margin:32px 0 16px}
h3,h4,h5,h6{font-size:17px;font-weight:bold;line-height:1.5;margin:24px 0 12px}
p{font-size:16px;line-height:1.8;margin:0 0 18px;text-align:justify}
img{display:block;max-width:100%;margin:0 auto}
blockquote{margin:0 0 18px;padding:10px 16px;border-left:3px solid #8aa399;color:#5b6b64;background:#f5f8f6}
ul,ol{margin:0 0 18px;padding-left:24px}
li{font-size:16px;line-height:1.8}
pre{margin:0 0 18px;padding:12px;background:#f6f6f6;overflow-x:auto;font-size:14px;line-height:1.6}
table{width:100%;border-collapse:collapse;margin:0 0 18px;font-size:15px}
th,td{border:1px solid #ddd;padding:6px 8px}
sup{font-size:12px;color:#8aa399}
"""
"""Class-less styles: the platform keeps `style` attributes and drops style sheets."""

INHERITED_STYLE = "font-size:16px;line-height:1.8;text-align:justify"
LEAN_CSS = """
h1,h2{font-size:20px;margin:32px 0 16px}
h3,h4,h5,h6{font-size:17px;margin:24px 0 12px}
p{margin:0 0 18px}
img{max-width:100%}
blockquote{margin:0 0 18px;padding:10px 16px;border-left:3px solid #8aa399}
ul,ol{margin:0 0 18px;padding-left:24px}
pre{margin:0 0 18px;padding:12px;background:#f6f6f6;overflow-x:auto}
table{width:100%;border-collapse:collapse}
th,td{border:1px solid #ddd}
"""
"""For long articles, whose styles would not fit: what words inherit stands once on a section around everything."""
