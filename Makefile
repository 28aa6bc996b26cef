# SPDX-License-Identifier: GPL-2.0-or-later
#
#   make            build/vfhook, a person's program, and build/hook, which PVE calls
#   make demo       VMs and a container started and stopped on real VFs, in emulated machines
#   make test       all tests (installs what they need, as root)
#   make hostile    hostile servers, files and names
#   make crash      killed and failing at every system call (half an hour; QUICK=1: minutes)
#   make race       every two runs overlapped, with one preemption (QUICK=1; ONLY=WORLD:A/B@STOP)
#   make storm      64 VMs at once, then 10,000 random operations (OPS=n SEED=n)
#   make many       a PF with 256 VFs and more, all of them taken
#   make boot-test  an installed node over its boots, its card moved and renamed
#   make live       VMs with real VFs migrated live, 22 times, and pinged (an hour)
#   make live-trouble  what goes wrong with a live migration, with real VFs (TROUBLE="cancel stop": these)
#   make fuzz       libFuzzer on every parser: RUNS=10000000 each, JOBS=2, FUZZ_SECONDS=
#   make bench      what it costs, side by side with others: a table (ROUNDS=5 is quick)
#   make lint       clang-tidy, cppcheck, shellcheck, clang-format
#   make install    DESTDIR= PREFIX=/usr
#   make package    a Debian package in build/deb
#   make deb        the same, checked by lintian
#   V=1 shows the commands.

VERSION := 0.1.0
PREFIX  ?= /usr
BUILD   ?= build

# Debian's python3, whose packages the tests need, and not a wrapper of another one that takes longer
# to start than what it is started for.
export PATH := /usr/sbin:/usr/bin:/sbin:/bin:$(PATH)

ifneq ($(V),1)
Q := @
quiet = @printf '  %-7s %s\n' $(1) $(2);
else
quiet =
endif

CC         ?= cc
CFLAGS     ?= -O2 -g
WARN       := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
              -Wformat=2 -Wvla -Wundef -Wpointer-arith -Wwrite-strings
HARDEN     := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
# Most of the program is for a person's commands, and a start reads all of it from a cold disk:
# small before fast. Nothing unwinds a stack here, so nothing needs tables for it.
SMALL      := -Os -fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections -fdata-sections
HARDEN_LD  := -Wl,--gc-sections,-z,pack-relative-relocs -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
SAN        := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
PKGS       := libnl-3.0 jansson
PKG_CFLAGS  = $(shell pkg-config --cflags $(PKGS))
# libc first: that is where the loader finds most symbols, and it asks in this order.
PKG_LIBS    = -lc $(shell pkg-config --libs $(PKGS))
CPPFLAGS_ALL = -D_GNU_SOURCE -I. $(PKG_CFLAGS) $(CPPFLAGS)
CFLAGS_ALL  = -std=gnu11 $(WARN) $(CFLAGS)

# From the bottom up: what stands further left knows nothing of what stands further right.
HOOK_DIRS := src/base src/vf pveapi src/port hook
DIRS      := $(HOOK_DIRS) src/host src/fdb src/show src/check src/command
PROG_SRC  := $(wildcard $(DIRS:%=%/*.c))
UNIT_SRC := $(wildcard tests/unit/test_*.c)

PROG_OBJ := $(PROG_SRC:%.c=$(BUILD)/obj/%.o)
# Two programs of the same objects: hook, which PVE calls, has no object of a person's commands.
# in_hook and in_vfhook take out of a list of objects what the program is made of.
in_hook   = $(foreach d,$(HOOK_DIRS),$(filter $(BUILD)/$(1)/$(d)/%,$(2)))
in_vfhook = $(filter-out $(BUILD)/$(1)/hook/main.o,$(2))
# Linked so, a sanitized program is up in two thirds of the time; the tests start them thousands of times.
SAN_LD        := $(SAN) -static-libasan -static-libubsan -no-pie
# The tests' objects have the sanitizers in. Unit tests see everything but the two main().
SAN_OBJ       := $(PROG_SRC:%.c=$(BUILD)/san/%.o)
SAN_LIB_OBJ   := $(filter-out $(BUILD)/san/hook/main.o $(BUILD)/san/src/command/main.o,$(SAN_OBJ))
FAKES         := tests/fake/kernel.o tests/fake/vfio.o
# The programs on a kernel that is a file: what no rig has, and what needs no VM.
FAKE_OBJ      := $(filter-out $(BUILD)/san/src/vf/netlink.o,$(SAN_OBJ)) $(FAKES:%=$(BUILD)/san/%)
# The same without sanitizers, for tests that run it thousands of times.
PLAIN_OBJ     := $(filter-out $(BUILD)/obj/src/vf/netlink.o,$(PROG_OBJ)) $(FAKES:%=$(BUILD)/obj/%) \
                 $(BUILD)/obj/tests/fake/naps.o
UNIT_OBJ      := $(filter-out $(BUILD)/san/src/vf/netlink.o,$(SAN_LIB_OBJ)) $(FAKES:%=$(BUILD)/san/%)
UNIT_BIN      := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/unit/%)
TEST_TOOLS    := $(BUILD)/tests/vfhook-fake $(BUILD)/tests/hook-fake $(BUILD)/tests/hook-plain \
                 $(BUILD)/tests/restprobe $(BUILD)/tests/restprobe-plain $(BUILD)/tests/pvesim-standin \
                 $(BUILD)/tests/vfmbx $(BUILD)/tests/vfhook-plain $(BUILD)/tests/killat \
                 $(BUILD)/tests/stopat.so

CRASH_TOOLS   := $(BUILD)/tests/vfhook-plain $(BUILD)/tests/hook-plain $(BUILD)/tests/killat

all: $(BUILD)/vfhook $(BUILD)/hook

$(BUILD)/vfhook: $(call in_vfhook,obj,$(PROG_OBJ))
$(BUILD)/hook: $(call in_hook,obj,$(PROG_OBJ))
$(BUILD)/vfhook $(BUILD)/hook:
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Both have their version from one object; made anew when the Makefile says another.
$(BUILD)/%/src/base/version.o: CPPFLAGS_ALL += -DVFHOOK_VERSION='"$(VERSION)"'
$(BUILD)/obj/src/base/version.o $(BUILD)/san/src/base/version.o: Makefile

$(BUILD)/obj/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(call quiet,CC,$<)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(SMALL) $(HARDEN) -MMD -MP -c -o $@ $<

# But for what goes over thousands of lines at a start.
$(BUILD)/obj/pveapi/section.o: SMALL := $(filter-out -Os,$(SMALL))

$(BUILD)/san/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(call quiet,CC-SAN,$<)$(CC) $(CPPFLAGS_ALL) -std=gnu11 $(WARN) -O1 -g $(SAN) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: $(BUILD)/san/tests/unit/%.o $(UNIT_OBJ)
	$(Q)mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(SAN_LD) -o $@ $^ $(PKG_LIBS) -lcmocka

# The one that includes src/vf/netlink.c has no other kernel beside it.
$(BUILD)/tests/unit/test_netlink: $(BUILD)/san/tests/unit/test_netlink.o \
		$(filter $(BUILD)/san/src/base/%,$(SAN_OBJ)) $(addprefix $(BUILD)/san/src/vf/,nlmsg.o vf.o vflist.o)
	$(Q)mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(SAN_LD) -o $@ $^ $(PKG_LIBS) -lcmocka

# The one whose bridges are its own.
$(BUILD)/tests/unit/test_fdb_service: $(BUILD)/san/tests/unit/test_fdb_service.o \
		$(filter-out $(BUILD)/san/src/fdb/bridge_socket.o,$(UNIT_OBJ))
	$(Q)mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(SAN_LD) -o $@ $^ $(PKG_LIBS) -lcmocka

$(BUILD)/tests/vfhook-fake: $(call in_vfhook,san,$(FAKE_OBJ))
$(BUILD)/tests/hook-fake: $(call in_hook,san,$(FAKE_OBJ)) $(FAKES:%=$(BUILD)/san/%)
$(BUILD)/tests/vfhook-fake $(BUILD)/tests/hook-fake:
	$(Q)mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(SAN_LD) -o $@ $^ $(PKG_LIBS)

$(BUILD)/tests/vfhook-plain: $(call in_vfhook,obj,$(PLAIN_OBJ))
$(BUILD)/tests/hook-plain: $(call in_hook,obj,$(PLAIN_OBJ)) $(FAKES:%=$(BUILD)/obj/%)
$(BUILD)/tests/vfhook-plain $(BUILD)/tests/hook-plain:
	$(Q)mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/tests/restprobe: $(BUILD)/san/tests/component/restprobe.o $(filter $(BUILD)/san/src/base/% $(BUILD)/san/pveapi/%,$(SAN_OBJ))
	$(Q)mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(SAN_LD) -o $@ $^ $(PKG_LIBS)

# Without sanitizers, under which a request never lies in memory where the one before did.
$(BUILD)/tests/restprobe-plain: $(BUILD)/obj/tests/component/restprobe.o $(filter $(BUILD)/obj/src/base/% $(BUILD)/obj/pveapi/%,$(PROG_OBJ))
	$(Q)mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/tests/pvesim-standin: $(wildcard tests/sim/standin*.c) tests/sim/standin.h
	$(Q)mkdir -p $(@D)
	$(call quiet,CC,$@)$(CC) -std=gnu11 -Wall -Wextra -Werror -O2 -I. $(PKG_CFLAGS) -o $@ $(filter %.c,$^) $(shell pkg-config --libs jansson)

$(BUILD)/tests/killat: tests/crash/killat.c
	$(Q)mkdir -p $(@D)
	$(call quiet,CC,$@)$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O2 -o $@ $<

$(BUILD)/tests/stopat.so: tests/component/stopat.c
	$(Q)mkdir -p $(@D)
	$(call quiet,CC,$@)$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O2 -fPIC -shared -o $@ $< -ldl

$(BUILD)/tests/vfmbx: tests/e2e/vfmbx.c
	$(Q)mkdir -p $(@D)
	$(call quiet,CC,$@)$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O2 -o $@ $<

$(BUILD)/bench/%: tests/bench/%.c
	$(Q)mkdir -p $(@D)
	$(call quiet,CC,$@)$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O2 -o $@ $<

-include $(PROG_OBJ:.o=.d) $(PLAIN_OBJ:.o=.d) $(SAN_OBJ:.o=.d) $(wildcard $(BUILD)/san/tests/*/*.d)

unit: $(UNIT_BIN)
test-tools: $(TEST_TOOLS)

# deps/* install Debian packages as root; each is a no-op when they are there.
deps:
	$(Q)tests/deps build

deps-test:
	$(Q)tests/deps test

test: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 all unit test-tools
	$(Q)tests/run

# What lies to us: a server's replies, files, names, links, a token with a right less.
hostile: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 all unit test-tools
	$(Q)tests/run rest.sh badinput.sh safety.sh check.sh

# The program killed at every system call, and every system call made to fail. QUICK=1: a sample.
crash: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 $(CRASH_TOOLS)
	$(Q)tests/crash/crash $(if $(QUICK),--quick)

# Each two runs that change something, and PVE's own deeds, one between any two calls of the other.
# THREE=n SEED=n: three at once, at random.
race: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 $(CRASH_TOOLS)
	$(Q)BUILD=$(abspath $(BUILD)) tests/race/race $(if $(QUICK),--quick) $(if $(ONLY),--only '$(ONLY)') \
		$(if $(THREE),--three $(THREE)) $(if $(SEED),--seed $(SEED))

# Guests on a bridge and on VFs, with lost events, kills and 1,000 MACs: make test has the rest of it.
fdb: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 all unit test-tools
	$(Q)FDB_WHOLE=1 tests/run e2e-fdb

# A PF with 256 VFs of the kernel's own, all of them taken; 400 and more. make test has most of it.
many: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 all unit test-tools
	$(Q)MANY_WHOLE=1 tests/run e2e-many

# A node from the package's installation to its purge; make test has it but for an interface with another name.
boot-test: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 all unit test-tools
	$(Q)BOOT_WHOLE=1 tests/run boot-test

# Twenty live migrations of a VM with a real VF, and two with a port that does the hotplug itself:
# about an hour. make test has one.
live: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 all unit test-tools
	$(Q)LIVE_WHOLE=1 tests/run e2e-live

# What goes wrong with a live migration, each trouble with the state of both nodes after it: about half
# an hour. TROUBLE="cancel stop": only these.
live-trouble: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 all unit test-tools
	$(Q)LIVE_TROUBLE='$(or $(TROUBLE),all)' tests/run live-trouble

demo: deps-test
	$(Q)$(MAKE) --no-print-directory -j2 all $(BUILD)/tests/vfmbx $(BUILD)/tests/pvesim-standin
	$(Q)tests/e2e/demo

# Never a test: it fails only if something could not be measured.
bench:
	$(Q)tests/deps bench
	$(Q)$(MAKE) --no-print-directory -j2 all $(BUILD)/bench/floor $(BUILD)/bench/spawn $(BUILD)/tests/pvesim-standin
	$(Q)tests/bench/bench

# Needs root: namespaces of its own. Without OPS all of it, about ten minutes on two cores.
storm: $(BUILD)/tests/vfhook-plain $(BUILD)/tests/hook-plain $(BUILD)/tests/pvesim-standin
	$(Q)BUILD=$(BUILD) tests/storm/storm $(if $(OPS),--ops $(OPS)) $(if $(SEED),--seed $(SEED))

# Targets for libFuzzer. Their objects are an archive, so that a target that includes a file
# with static parsers gets its own copy instead of the archive's.
FUZZ_CC     ?= $(if $(shell command -v clang-19),clang-19,clang-14)
FUZZ_SAN    := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_SRC    := $(filter-out hook/main.c src/command/main.c,$(PROG_SRC))
FUZZ_OBJ    := $(FUZZ_SRC:%.c=$(BUILD)/fuzz/obj/%.o)
FUZZ_BIN    := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_CFLAGS = $(CPPFLAGS_ALL) -std=gnu11 -Wall -Wextra -O2 -g $(FUZZ_SAN) -MMD -MP

$(BUILD)/fuzz/obj/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(call quiet,CC-FUZZ,$<)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(BUILD)/fuzz/libvfhook.a: $(FUZZ_OBJ)
	$(call quiet,AR,$@)rm -f $@ && ar rcs $@ $^

$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/fuzz/libvfhook.a
	$(call quiet,LD,$@)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $< \
		$(BUILD)/fuzz/libvfhook.a $(PKG_LIBS)

-include $(FUZZ_OBJ:.o=.d) $(FUZZ_BIN:=.d)

fuzz-bin: $(FUZZ_BIN)

RUNS ?= 10000000
JOBS ?= 2
FUZZ_SECONDS ?= 0

fuzz:
	$(Q)tests/deps fuzz
	$(Q)$(MAKE) --no-print-directory -j2 fuzz-bin
	$(Q)RUNS=$(RUNS) JOBS=$(JOBS) FUZZ_SECONDS=$(FUZZ_SECONDS) BUILD=$(BUILD) tests/fuzz/run $(TARGETS)

C_FILES = $(wildcard $(DIRS:%=%/*.[ch]) tests/*/*.[ch])
SH_FILES = $(shell grep -rlE --exclude-dir=__pycache__ --exclude-dir=corpus '^\#!/bin/(ba)?sh' install.sh packaging debian .ci tests)

lint:
	$(Q)tests/deps lint
	$(Q)$(MAKE) --no-print-directory lint-all

# Apart from lint: make looks for files and flags before it runs a recipe's first line.
lint-all: $(BUILD)/hook
	$(Q)tests/house
	$(Q)tests/size $(BUILD)/hook
	$(Q)clang-format --dry-run -Werror $(C_FILES)
	$(Q)printf '%s\n' $(SH_FILES) | xargs -P 2 -n 12 shellcheck -x
	$(Q)cppcheck -j 2 --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --std=c11 -D_GNU_SOURCE -I. src pveapi hook
	$(Q)mkdir -p $(BUILD)
	$(Q)printf '%s\n' $(PROG_SRC) | xargs -P 2 -n 8 \
		sh -c 'exec clang-tidy --quiet "$$@" -- -std=gnu11 $(CPPFLAGS_ALL)' clang-tidy 2>$(BUILD)/clang-tidy.log || \
		{ tail -n 5 $(BUILD)/clang-tidy.log; false; }

# What is installed, and where: mode, file here, file there.
# UNITDIR= leaves the units out.
UNITDIR := /lib/systemd/system
FILES = printf '%s %s $(DESTDIR)%s\n' \
	755 $(BUILD)/vfhook $(PREFIX)/sbin/vfhook \
	755 $(BUILD)/hook $(PREFIX)/lib/vfhook/hook \
	755 packaging/setup $(PREFIX)/lib/vfhook/setup \
	$(foreach u,$(if $(UNITDIR),vfs.service boot.service watch.service watch.timer fdb.service metrics.service metrics.timer),644 packaging/vfhook-$(u) $(UNITDIR)/vfhook-$(u)) \
	$(foreach f,dashboard.json alerts.yml,644 packaging/monitoring/vfhook-$(f) $(PREFIX)/share/vfhook/vfhook-$(f)) \
	644 vfhook.8 $(PREFIX)/share/man/man8/vfhook.8 \
	644 vfhook.cfg.5 $(PREFIX)/share/man/man5/vfhook.cfg.5 \
	644 completion/vfhook $(PREFIX)/share/bash-completion/completions/vfhook \
	644 completion/_vfhook $(PREFIX)/share/zsh/vendor-completions/_vfhook \
	644 completion/vfhook.fish $(PREFIX)/share/fish/vendor_completions.d/vfhook.fish |

install: $(BUILD)/vfhook $(BUILD)/hook
	$(Q)set -e; $(FILES) while read -r mode from to; do install -D -m $$mode $$from $$to; done

list-files:
	@$(FILES) cat

# A Debian package of it, in $(BUILD)/deb; deb has it checked by lintian, which a node does not need.
package:
	$(Q)tests/deps package
	$(Q)BUILD=$(BUILD) packaging/mkdeb --no-lintian $(BUILD)/deb $(VERSION)

deb:
	$(Q)tests/deps deb
	$(Q)BUILD=$(BUILD) packaging/mkdeb $(BUILD)/deb $(VERSION)

clean:
	rm -rf $(BUILD)/obj $(BUILD)/san $(BUILD)/fuzz $(BUILD)/tests $(BUILD)/bench $(BUILD)/vfhook $(BUILD)/hook $(BUILD)/deb

.PHONY: all unit test-tools deps deps-test test bench fdb many boot-test live live-trouble hostile crash race storm fuzz fuzz-bin demo lint lint-all install list-files package deb clean
.SECONDARY:
