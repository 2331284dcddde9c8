"""`python -m services.adapter_wechat`: the WeChat adapter as its own process."""

from services.adapter.process import main

raise SystemExit(main("wechat"))
