#!/usr/bin/env bash
# Makes .venv with everything that is locked. Needs Python 3.11 or newer and nothing else.
# Says what it does, how long it took, and where something is missing, what and the way out.
set -euo pipefail
cd "$(dirname "$0")/.."
began=$SECONDS
needed_mb=1500

say() { printf '%s\n' "$*" >&2; }
stop() {
  say "$1"
  say "$2"
  exit 1
}

say "[1/2] 准备 Python 环境 .venv / the Python environment .venv"
python=""
for candidate in python3.11 python3.12 python3.13 python3; do
  if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  stop "需要 Python 3.11 或更新版本，请先安装（Debian/Ubuntu：apt install python3.11 python3.11-venv）" \
    "Python 3.11 or newer is needed: install it first (Debian/Ubuntu: apt install python3.11 python3.11-venv)"
fi
if [ ! -w . ]; then
  stop "没有写入 $PWD 的权限，请换一个文件夹或修正权限" "no permission to write to $PWD: use another folder or mend it"
fi
free_mb=$(df -Pm . | awk 'NR == 2 {print $4}')
if [ "${free_mb:-$needed_mb}" -lt "$needed_mb" ]; then
  stop "磁盘只剩 $free_mb MB，准备环境需要约 $needed_mb MB，请先腾出空间" \
    "only $free_mb MB are free, about $needed_mb MB are needed: make room first"
fi

if ! "$python" -m venv .venv >/dev/null 2>&1; then
  # Debian ships Python without ensurepip; its package brings it.
  version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "      这个 Python 没有 venv 模块，用 apt-get 安装 python$version-venv / installing python$version-venv with apt-get"
    apt-get update -qq && apt-get install -qq -y "python$version-venv" >/dev/null
    "$python" -m venv .venv
  else
    stop "这个 Python 没有 venv 模块，请安装 python$version-venv（需要 root）后重试" \
      "this Python has no venv module: install python$version-venv (as root), then repeat"
  fi
fi

say "[2/2] 安装已锁定的依赖（首次约一分钟）/ the locked packages (about a minute the first time)"
bar=$([ -t 2 ] && echo on || echo off)
install=(.venv/bin/python -m pip install --disable-pip-version-check --quiet --progress-bar "$bar")
if ! "${install[@]}" --require-hashes --no-deps -r requirements.lock ||
  ! "${install[@]}" --no-deps --no-build-isolation -e .; then
  stop "依赖没有装好（原因见上）：请检查网络、代理（HTTPS_PROXY）或镜像（PIP_INDEX_URL）与磁盘空间，然后重试" \
    "the packages were not installed, see above: check network, proxy (HTTPS_PROXY) or mirror (PIP_INDEX_URL) and disk, repeat"
fi
say "      就绪，用时 $((SECONDS - began)) 秒 / ready after $((SECONDS - began)) s"
