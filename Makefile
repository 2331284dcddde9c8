# 两条命令就够 / two commands are all: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
STAMP := .venv/.installed
NATIVE := services/engagement_aggregator/native
BROKER := .venv/.broker
READY := $(STAMP) $(NATIVE)/build/.built $(BROKER)
ARGS ?=
# A broker of a test is over before Java's second compiler would pay: a seventh of all processor time.
JAVA_FOR_TESTS := JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1
# Without its bytecode every start of a service compiles all modules anew: a quarter of a second of CPU each.
export PYTHONDONTWRITEBYTECODE :=
WORKERS ?= 3  # test processes at a time; half of their time they wait for other processes

.PHONY: help setup demo up down test chaos check fuzz format lock notice schemas bench bench-lock clean

help: ## 列出所有命令 / this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  ARGS="…" 传给命令 / is passed on, e.g. make demo ARGS="--once --json out.json"'

setup: $(READY) ## 准备 .venv（其他命令会自动执行）/ prepare .venv; the other commands do it by themselves

$(STAMP): requirements.lock pyproject.toml deploy/setup.sh
	@bash deploy/setup.sh
	@touch $(STAMP)

$(NATIVE)/build/.built: $(STAMP) $(wildcard $(NATIVE)/c/*.c $(NATIVE)/c/*.h)
	@$(PY) -m services.engagement_aggregator.native.build
	@touch $@

$(BROKER): $(STAMP)
	@if $(PY) -m services.runtime.embedded_broker.prepare; then touch $@; fi

demo: $(READY) ## 在本机跑完整演示（--once 自动结束并核对）/ the whole pipeline with the sample campaign
	@$(PY) -m services.cli.main demo $(ARGS)

up: $(READY) ## 启动流水线，不含示例活动 / the pipeline without the sample campaign
	@$(PY) -m services.cli.main up $(ARGS)

down: $(READY) ## 停止 make up 启动的一切 / stop what `make up` started
	@$(PY) -m services.cli.main down $(ARGS)

test: $(READY) check ## 所有检查与测试，一个不跳过 / all checks and tests, none skipped
	@REQUIRE_KAFKA=1 $(JAVA_FOR_TESTS) $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=20 $(ARGS)

chaos: $(READY) ## 混沌演练（--seed N --faults N --json FILE）/ 300 faults, then every promise is checked
	@$(PY) -m tests.chaos $(ARGS)

check: $(READY) ## 格式、类型、事件契约 / format, types, event contracts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@$(PY) -m schemas.contract.generate --check
	@$(PY) -m schemas.contract.compatibility
	@$(PY) deploy/notice.py --check

bench: $(READY) ## 与其他做法同场比较（约 65 分钟；--quick 约 2 分钟）/ side by side with other ways, about 65 minutes
	@bash benchmarks/setup.sh
	@.venv-bench/bin/python -m benchmarks $(ARGS)

format: $(READY) ## 整理代码格式 / format the code
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

schemas: $(READY) ## 重新生成契约文档 / generate the contract documents anew
	@$(PY) -m schemas.contract.generate

notice: $(READY) ## 重新生成 NOTICE（第三方许可证）/ write NOTICE anew
	@$(PY) deploy/notice.py

fuzz: $(READY) ## 十万次乱改的输入（FUZZ_CASES=N FLOOD_S=N）/ a hundred thousand damaged inputs at everything that listens or measures
	@FUZZ_CASES=$${FUZZ_CASES:-100000} FLOOD_S=$${FLOOD_S:-60} REQUIRE_KAFKA=1 $(PY) -m pytest --timeout 7200 tests/fuzz $(ARGS)

lock: $(STAMP) ## 更新 requirements.lock / renew the lock file
	@.venv/bin/python -m pip install --quiet uv
	@.venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--python-version 3.11 --universal --group dev pyproject.toml -o requirements.lock

bench-lock: $(STAMP) ## 更新 benchmarks/requirements.lock / renew the lock file of the benchmark
	@.venv/bin/python -m pip install --quiet uv
	@.venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--python-version 3.11 --universal benchmarks/requirements.in -o benchmarks/requirements.lock

clean: ## 删除环境与运行数据 / remove environment and data
	@rm -rf .venv .venv-bench benchmarks/kafka_streams/target .tongbo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
