#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Calls that the library does not make, or makes in one place only; in the sources, and in what the
shared library asks of others."""

import re

import lint

# name -> the files that may call it
BANNED = {}


def ban(names, *places):
    for name in names.split():
        BANNED[name] = places


ban("malloc calloc realloc free strdup strndup reallocarray aligned_alloc posix_memalign alloca", "lib/base/memory.c")
ban("vsnprintf", "lib/base/buffer.c")
ban("printf fprintf dprintf sprintf snprintf vprintf vfprintf vdprintf vsprintf asprintf vasprintf puts fputs putchar fputc perror")
ban("exit _exit _Exit quick_exit abort raise kill system popen fork")
ban("strcpy strncpy stpcpy strcat strncat strtok strtok_r gets scanf sscanf fscanf")
ban("strtol strtoll strtoul strtoull strtoimax strtoumax atoi atol atoll atof")
ban("strerror strerror_r signal sigaction setlocale uselocale")
ban("sleep usleep")
ban("nanosleep clock_nanosleep", "lib/base/clock.c")
ban("getenv secure_getenv", "lib/config/environment.c")
ban("setenv putenv unsetenv")

# What the finished library may not ask for, by these names or as a checked variant of them.
UNDEFINED = re.compile(r"^(__)?(exit|_exit|abort|v?f?printf|sprintf|puts|system|strcpy|strcat|setlocale|signal|atoi|strerror)(_chk)?$")

CALL = re.compile(r"(?<![\w.])(?<!->)(%s)\s*\(" % "|".join(sorted(BANNED)))


def check(tree):
    problems = []
    for path in tree.files("lib/**/*.[ch]"):
        name, text = tree.name(path), lint.blank(path.read_text(encoding="utf-8"))
        for match in CALL.finditer(text):
            if name not in BANNED[match.group(1)]:
                allowed = " and ".join(BANNED[match.group(1)]) or "nobody"
                problems.append("%s:%d: %s() is called by %s only" % (name, lint.line_of(text, match.start()), match.group(1), allowed))
    status, output = lint.run(["nm", "-D", "--undefined-only", str(tree.build / "lib/libtenantdb.so")])
    if status != 0:
        return problems + ["nm: %s" % output.strip()]
    for line in output.splitlines():
        name = line.split()[-1].split("@")[0]
        if UNDEFINED.match(name):
            problems.append("libtenantdb.so asks for %s()" % name)
    return problems


def seed(path, text):
    return lambda tree: tree.add(path, text)


def linked(tree):
    """A library that aborts, for real."""
    (tree.top / "seeded/lib").mkdir(parents=True)
    tree.write("seeded/a.c", "#include <stdlib.h>\nvoid f(void);\nvoid f(void) { abort(); }\n")
    lint.run(["cc", "-shared", "-fPIC", "-o", str(tree.top / "seeded/lib/libtenantdb.so"), str(tree.top / "seeded/a.c")], check=True)
    tree.build = tree.top / "seeded"


if __name__ == "__main__":
    lint.main("banned calls", check, {
        "malloc": seed("lib/base/json.c", "void *f(void) {\n  return malloc(1);\n}\n"),
        "snprintf": seed("lib/base/memory.c", "void f(char *s) {\n  snprintf(s, 1, \"x\");\n}\n"),
        "getenv": seed("lib/base/clock.c", "void f(void) {\n  (void)getenv (\"HOME\");\n}\n"),
        "exit after a comment": seed("lib/base/clock.c", "/* a \" b */ void f(void) { exit(1); }\n"),
        "abort in what is linked": linked,
    })
