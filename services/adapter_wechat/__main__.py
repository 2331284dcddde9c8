"""Starts the WeChat adapter's process."""

from services.adapter.process import main

if __name__ == "__main__":
    raise SystemExit(main("wechat"))
