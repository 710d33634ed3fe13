# SPDX-License-Identifier: GPL-2.0-or-later
#
# Everyday targets over meson and ninja; 'make help' lists them.  Works on a
# Debian 12 that has nothing but make: the rest is installed when missing.

# The build folder, and configure's arguments when it has to be made.
BUILD ?= build
CONFIGURE_ARGS ?=

EMULATOR = $(BUILD)/qemu-system-x86_64
NINJA = ninja -C $(BUILD)
RUN_TESTS = scripts/run-tests --build $(BUILD)

# Recipes share one build folder; ninja and meson do the parallel work.
.NOTPARALLEL:
.DEFAULT_GOAL := all

# The program alone: no tests, and only the packages that it needs.
.PHONY: all
all: configured
	@$(NINJA) qemu-system-x86_64

# What tests and their guests need besides.
.PHONY: everything
everything: deps configured
	@$(NINJA)

.PHONY: deps build-deps
deps:
	@scripts/install-deps
build-deps:
	@scripts/install-deps --build

# configure makes ./build when it runs in the source folder.
.PHONY: configured
configured: build-deps
	@if [ ! -f $(BUILD)/build.ninja ]; then \
	    if [ $(BUILD) = build ]; then \
	        ./configure $(CONFIGURE_ARGS); \
	    else \
	        src=$$PWD && mkdir -p $(BUILD) && cd $(BUILD) && \
	        "$$src"/configure $(CONFIGURE_ARGS); \
	    fi; \
	fi

.PHONY: demo
demo: deps all
	@$(NINJA) tests/guest/guest.rom
	@python3 tests/bench/demo.py --binary $(EMULATOR) $(DEMO_ARGS)

.PHONY: bench
bench: deps all
	@$(NINJA) tests/guest/guest.rom bench-programs
	@python3 tests/bench/bench.py --binary $(EMULATOR) $(BENCH_ARGS)

# The working tree against another revision: make bench-ab BASE=HEAD~3
.PHONY: bench-ab
bench-ab: deps all
	@test -n "$(BASE)" || { \
	    echo 'make bench-ab BASE=REV: which revision?' >&2; exit 1; }
	@$(NINJA) tests/guest/guest.rom
	@python3 tests/bench/ab.py --binary $(EMULATOR) --base $(BASE) \
	    $(BENCH_ARGS)

.PHONY: bench-multifd
bench-multifd: deps all
	@$(NINJA) tests/guest/guest.rom
	@python3 tests/bench/bench-multifd.py --binary $(EMULATOR) $(BENCH_ARGS)

.PHONY: bench-cpu
bench-cpu: deps all
	@scripts/get-guest-assets --build $(BUILD)
	@python3 tests/bench/cpu.py --binary $(EMULATOR) $(BENCH_ARGS)

# A guest that forwards packets; with DPDK, which is installed first.
.PHONY: nfv-deps
nfv-deps: deps all
	@scripts/install-deps --nfv
	@$(NINJA) -t query l2gen >/dev/null 2>&1 || \
	    meson setup --reconfigure $(BUILD)
	@$(NINJA) tests/guest/guest.rom l2gen tests/bench/net-load

.PHONY: bench-nfv
bench-nfv: nfv-deps
	@python3 tests/bench/bench-nfv.py --binary $(EMULATOR) $(BENCH_ARGS)

.PHONY: bench-net
bench-net: nfv-deps
	@python3 tests/bench/bench-net.py --binary $(EMULATOR) $(BENCH_ARGS)

# What tests boot.  Without it they are skipped, each with the reason.
.PHONY: guest-assets
guest-assets: deps all
	@scripts/get-guest-assets --build $(BUILD) || true

.PHONY: check
check: all guest-assets
	@$(RUN_TESTS) --suite unit --suite fuzz --suite qtest \
	    --suite functional

.PHONY: check-slow
check-slow: all guest-assets
	@$(RUN_TESTS) --suite slow

# Debian's libvirt with two hosts of the test's own; as root.
.PHONY: check-libvirt
check-libvirt: all guest-assets
	@scripts/install-deps --libvirt
	@$(NINJA) tests/guest/linux-load
	@$(RUN_TESTS) --suite libvirt --verbose

# Faults at every message of a migration: a table at the end.  An hour.
FAULTS ?=
.PHONY: check-faults
check-faults: everything
	@$(NINJA) tests/guest/guest.rom
	@python3 tests/faults/matrix.py $(EMULATOR) $(FAULTS)
	@python3 tests/faults/retries.py $(EMULATOR)
	@python3 tests/faults/schedule.py --seconds 600 $(EMULATOR)

# Data races in what concerns migrations: unit and functional tests.
TSAN ?=
.PHONY: check-tsan
check-tsan: deps guest-assets
	@scripts/run-tsan $(TSAN)

# Hostile input that finds its own way: each target for FUZZ_SECONDS.
FUZZ ?=
FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: deps
	@scripts/run-fuzz --seconds $(FUZZ_SECONDS) $(FUZZ)

# All tests as on a host without KVM.
.PHONY: check-no-kvm
check-no-kvm: all guest-assets
	@tests/functional/without-kvm $(MAKE) check

.PHONY: check-unit check-fuzz check-qtest check-functional
check-functional: guest-assets
check-unit check-fuzz check-qtest check-functional: deps configured
	@$(RUN_TESTS) --suite $(@:check-%=%)

.PHONY: check-style
check-style: deps
	@scripts/check-style
	@scripts/check-layers
	@scripts/check-maintainers

.PHONY: check-tidy
check-tidy: everything
	@scripts/check-tidy --deep --build $(BUILD)

.PHONY: check-patch
check-patch: deps
	@scripts/checkpatch

# Which small errors the unit tests notice, in the files of MUTATE.
MUTATE ?= migration/ vmstate/ system/dirty* system/memory-log.c \
    accel/kvm/dirty.c
MUTATE_ARGS ?=
.PHONY: mutation
mutation: deps
	@set -f; scripts/mutate $(MUTATE_ARGS) $(MUTATE)

.PHONY: ci
ci:
	@.ci/run

.PHONY: install
install: all
	@meson install -C $(BUILD) --no-rebuild

.PHONY: clean
clean:
	@if [ -f $(BUILD)/build.ninja ]; then $(NINJA) -t clean; fi

.PHONY: distclean
distclean:
	rm -rf build build-ci build-fuzz build-tsan

.PHONY: help
help:
	@echo 'make                   build $(EMULATOR)'
	@echo 'make demo              migrate a guest and print the table'
	@echo 'make bench             the same with more runs: JSON, Markdown'
	@echo 'make bench-ab BASE=REV two builds, alternating, with a rank test'
	@echo 'make bench-multifd     many channels, and plain sockets'
	@echo 'make bench-cpu         speed of the software CPU in a Linux guest'
	@echo 'make bench-nfv         migration of a packet-forwarding guest'
	@echo 'make bench-net         packet rate and CPU cost of back ends'
	@echo 'make check             all tests'
	@echo 'make check-unit        unit tests (check-qtest: devices;'
	@echo '                       check-fuzz: parsers, hostile input;'
	@echo '                       check-functional: whole guests)'
	@echo 'make check-slow        long tests: many migrations, all memory'
	@echo 'make check-faults      faults at every message of a migration'
	@echo '                       (FAULTS="--pair gg --row run")'
	@echo 'make check-tsan        ThreadSanitizer on the tests of migration'
	@echo 'make check-no-kvm      all tests, with KVM hidden'
	@echo 'make fuzz              libFuzzer on each parser and the CPU'
	@echo '                       (FUZZ=soft FUZZ_SECONDS=3600: one, longer)'
	@echo 'make mutation          which errors put into MUTATE="migration/" are'
	@echo '                       noticed (MUTATE_ARGS="--max 40 --seed 7")'
	@echo 'make check-style       layout, layers, MAINTAINERS'
	@echo 'make check-tidy        clang-tidy on every source, in depth'
	@echo 'make check-patch       commit messages and white space'
	@echo 'make ci                all that CI runs (.ci/run)'
	@echo 'make install           install (DESTDIR is honoured)'
	@echo 'make clean             remove what was built (distclean: all)'
	@echo 'make deps              install missing packages, for tests too'
	@echo 'make build-deps        install those that the program needs'
	@echo
	@echo 'BUILD=DIR uses another build folder, CONFIGURE_ARGS=... sets the'
	@echo "options of a new one; see ./configure --help."
