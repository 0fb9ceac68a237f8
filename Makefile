# The C libraries of bumpgrad, and the commands of the project. `make help` lists them.

VERSION := $(shell sed -n '/^\[workspace.package\]/,/^$$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
SONAME  := libbumpgrad.so.$(firstword $(subst ., ,$(VERSION)))

PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include

CARGO   ?= cargo
CC      ?= cc
OBJCOPY ?= objcopy
STRIP   ?= strip
INSTALL ?= install

BUILD  := target/capi
LIB    := $(BUILD)/lib
STATIC := $(LIB)/libbumpgrad.a
SHARED := $(LIB)/libbumpgrad.so.$(VERSION)

# What a program that links the static library needs besides.
SYSTEM_LIBS := -lm -lpthread -ldl

# The crate is compiled once, as an archive with all that it needs of Rust's. One crate type at a
# time: with a list of them in the manifest, cargo leaves out the link-time optimisation.
RUSTC := $(CARGO) rustc --locked --profile capi --features capi --lib --target-dir $(BUILD)

# Most of the code records, and is cold: it is inlined less than the level of optimisation would have
# it, which is a tenth of the library. (What is hot says itself that it is to be inlined.)
LEAN := -C llvm-args=-inline-threshold=75

# With GNU's linker the libraries are made from one object in which only bg_* is global, so that the
# static one can stand beside other archives of Rust's. Without it they are as cargo makes them.
JOINS := $(shell $(LD) --help 2>/dev/null | grep -q -e --force-group-allocation && \
             $(OBJCOPY) --help 2>/dev/null | grep -q -e --keep-global-symbol && echo yes)

.PHONY: help lib install test demo examples rocket bench peers interface header clean FORCE
.DEFAULT_GOAL := lib

help:
	@echo 'make lib      $(STATIC) and the shared library beside it (the default)'
	@echo 'make install  header, libraries and bumpgrad.pc, in PREFIX ($(PREFIX)); DESTDIR is heeded'
	@echo 'make test     all tests, in Rust, C and C++; CONTRIBUTING.md says what it needs'
	@echo 'make demo     learns to read digits with examples/c/digits.c'
	@echo 'make examples runs the other programs in examples/c: the tutorial, greeks, posterior, rocket'
	@echo 'make bench    the benchmarks: see benches/README.md'
	@echo 'make peers    the same work in other libraries, with PEERS=options: the same file'
	@echo 'make header   writes include/bumpgrad.h anew, and what it is made from (make interface): from'
	@echo '              what src/op/ declares, src/ffi/ and cbindgen.toml'
	@echo 'make clean    removes what was built'

lib: $(STATIC) $(SHARED)

# Cargo is always asked, because it alone knows what is up to date; what it leaves alone is not
# made again. Files appear whole, by renaming: somebody may be linking with the old ones.
BUILT := $(BUILD)/capi/libbumpgrad

$(BUILT).a: FORCE
	$(RUSTC) --crate-type staticlib -- $(LEAN)

ifeq ($(JOINS),yes)

# One function brings them all: link-time optimisation has put them into one member. What is said
# twice (a COMDAT group) is settled here, since others must not find out. (.llvm*: a program for
# LLVM beside some of the machine code, which `nm` chokes on.)
$(BUILD)/bumpgrad.o: $(BUILT).a
	$(LD) -r --force-group-allocation -u bg_graph_new -o $@.new $<
	$(OBJCOPY) --wildcard --keep-global-symbol='bg_*' --strip-debug -R '.llvm*' $@.new
	mv -f $@.new $@

$(STATIC): $(BUILD)/bumpgrad.o
	@mkdir -p $(LIB)
	rm -f $@.new
	$(AR) crD $@.new $<
	mv -f $@.new $@

$(SHARED): $(BUILD)/bumpgrad.o
	@mkdir -p $(LIB)
	$(CC) -shared -o $@.new $< $(LDFLAGS) -Wl,-soname,$(SONAME) -Wl,--gc-sections -Wl,-z,defs \
	    -Wl,-z,relro,-z,now -Wl,--as-needed -lgcc_s $(SYSTEM_LIBS)
	$(STRIP) --strip-unneeded $@.new
	mv -f $@.new $@
	ln -sf $(notdir $@) $(LIB)/$(SONAME)
	ln -sf $(SONAME) $(LIB)/libbumpgrad.so

else

$(STATIC): $(BUILT).a
	@mkdir -p $(LIB)
	@echo 'no GNU ld and objcopy: $@ will not link beside another static library in Rust' >&2
	$(STRIP) -S -o $@.new $<
	mv -f $@.new $@

$(BUILT).so: FORCE
	$(RUSTC) --crate-type cdylib -- $(LEAN) -C link-arg=-Wl,-soname,$(SONAME)

$(SHARED): $(BUILT).so
	@mkdir -p $(LIB)
	$(STRIP) --strip-unneeded -o $@.new $<
	mv -f $@.new $@
	ln -sf $(notdir $@) $(LIB)/$(SONAME)
	ln -sf $(SONAME) $(LIB)/libbumpgrad.so

endif

install: lib
	$(INSTALL) -d '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig'
	$(INSTALL) -m 644 include/bumpgrad.h '$(DESTDIR)$(INCLUDEDIR)'
	$(INSTALL) -m 644 $(STATIC) '$(DESTDIR)$(LIBDIR)'
	$(INSTALL) -m 755 $(SHARED) '$(DESTDIR)$(LIBDIR)'
	ln -sf $(notdir $(SHARED)) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libbumpgrad.so'
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$(INCLUDEDIR)' '' \
	    'Name: bumpgrad' \
	    'Description: Reverse-mode automatic differentiation of tensor programs' \
	    'Version: $(VERSION)' \
	    'Cflags: -I"$${includedir}"' \
	    'Libs: -L"$${libdir}" -lbumpgrad' \
	    'Libs.private: $(SYSTEM_LIBS)' \
	    > '$(DESTDIR)$(LIBDIR)/pkgconfig/bumpgrad.pc'

test: lib
	$(CARGO) test --locked --workspace
	$(CARGO) test --locked --features capi --lib -- ffi::

demo: lib
	$(CC) -std=c99 -O2 -Wall -Wextra -Iinclude examples/c/digits.c $(STATIC) $(SYSTEM_LIBS) \
	    -o $(BUILD)/digits
	$(BUILD)/digits data/digits.csv

# C99, so that the compiler fuses no product with a sum: the Rust twins say the same.
examples: lib
	set -e; for name in tutorial greeks posterior; do \
	    $(CC) -std=c99 -O2 -Wall -Wextra -Iinclude examples/c/$$name.c $(STATIC) $(SYSTEM_LIBS) \
	        -o $(BUILD)/$$name; \
	    $(BUILD)/$$name; \
	done

# With a solver of nonlinear programs, if that is installed. (What the shared library of Ipopt needs is its
# own business: Debian's ipopt.pc names libraries for the static one, too.)
examples: rocket
rocket: lib
	@if pkg-config --exists ipopt; then set -ex; \
	    $(CC) -std=c99 -O2 -Wall -Wextra -Iinclude $$(pkg-config --cflags ipopt) examples/c/rocket.c \
	        $(STATIC) $$(pkg-config --libs-only-L ipopt) -lipopt $(SYSTEM_LIBS) -o $(BUILD)/rocket; \
	    $(BUILD)/rocket; \
	else \
	    echo 'rocket: skipped, for want of Ipopt (Debian: coinor-libipopt-dev, pkg-config)'; \
	fi

bench:
	$(CARGO) bench --locked

peers:
	benches/peers/run.sh $(PEERS)

interface:
	UPDATE=1 $(CARGO) test --locked -p ffi-tests --test interface

header: interface
	UPDATE=1 $(CARGO) test --locked --test header -- up_to_date

clean:
	$(CARGO) clean
