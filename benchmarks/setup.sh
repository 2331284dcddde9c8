#!/usr/bin/env bash
# Makes .venv-bench beside .venv: what only the benchmark needs, over what the product needs. Builds the Java contender.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv-bench/.lock-installed
if ! cmp -s benchmarks/requirements.lock "$stamp"; then
  echo "正在安装基准测试的依赖 / installing what the benchmark compares with …" >&2
  rm -rf .venv-bench
  .venv/bin/python -m venv .venv-bench
  .venv-bench/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps -r benchmarks/requirements.lock
  # The product's own libraries at the product's own versions, found after those of this environment.
  site=$(.venv-bench/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/product.pth"
  cp benchmarks/requirements.lock "$stamp"
fi

java_project=benchmarks/kafka_streams
if ! command -v mvn >/dev/null || ! command -v javac >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "正在安装 Maven 与 JDK / installing Maven and a JDK …" >&2
    apt-get update -qq && apt-get install -qq -y --no-install-recommends maven default-jdk-headless >/dev/null || true
  fi
fi
if command -v mvn >/dev/null && command -v javac >/dev/null; then
  if [ ! -d "$java_project/target/lib" ] || [ -n "$(find "$java_project/pom.xml" "$java_project/src" -newer "$java_project/target/lib" -print -quit)" ]; then
    echo "正在构建 Kafka Streams 对照程序 / building the Kafka Streams contender …" >&2
    mvn --quiet --batch-mode --file "$java_project/pom.xml" clean package
    touch "$java_project/target/lib"
  fi
else
  echo "没有 Maven 或 JDK：Kafka Streams 将标为缺失；请安装 maven 与 default-jdk-headless" \
    "/ no Maven or no JDK: Kafka Streams will be marked missing; install maven and default-jdk-headless" >&2
fi
