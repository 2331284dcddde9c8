#!/usr/bin/env bash
# Makes .venv with everything that is locked. Needs Python 3.11 or newer and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

python=""
for candidate in python3.11 python3.12 python3.13 python3; do
  if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "需要 Python 3.11 或更新版本 / Python 3.11 or newer is needed" >&2
  exit 1
fi

if ! "$python" -m venv .venv >/dev/null 2>&1; then
  # Debian ships Python without ensurepip; its package brings it.
  version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "正在安装 python$version-venv / installing python$version-venv" >&2
    apt-get update -qq && apt-get install -qq -y "python$version-venv" >/dev/null
    "$python" -m venv .venv
  else
    echo "这个 Python 没有 venv 模块，请安装 python$version-venv / please install python$version-venv" >&2
    exit 1
  fi
fi

echo "正在安装依赖（首次约一分钟）/ installing what is locked (about a minute the first time) …" >&2
.venv/bin/python -m pip install --disable-pip-version-check --quiet --progress-bar "$([ -t 2 ] && echo on || echo off)" \
  --require-hashes --no-deps -r requirements.lock
.venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
