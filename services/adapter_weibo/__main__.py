"""Starts the Weibo adapter's process."""

from services.adapter.worker.process import main

if __name__ == "__main__":
    raise SystemExit(main("weibo"))
