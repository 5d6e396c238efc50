#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""gcc and clang have nothing to say about the library and the examples, at the flags of meson.build."""

import re
import shutil

import lint


def flags(tree):
    text = tree.read("meson.build")
    listed = re.findall(r"'(-W[^',]+|-D_POSIX[^']+)'", text)
    _, libpq = lint.run(["pkg-config", "--cflags", "libpq"])
    return [*listed, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", '-DTNDB_VERSION="0"', "-DTNDB_VERSION_NUMBER=0",
            "-O2", "-I", str(tree.top / "include"), *libpq.split()]


def check(tree):
    problems = []
    for compiler in filter(shutil.which, ("gcc", "clang")):
        for path in tree.files("lib/**/*.c", "examples/*.c"):
            extra = ["-I", str(tree.top / "lib")] if tree.name(path).startswith("lib/") else []
            # To assembly, not only parsed: some warnings come from the optimiser.
            status, output = lint.run([compiler, *flags(tree), *extra, "-S", "-o", "/dev/null", str(path)])
            if status != 0:
                lines = [line for line in output.splitlines() if "error:" in line]
                problems.append("%s: %s" % (compiler, (lines or [output])[0].replace(str(tree.top) + "/", "")))
    return problems


def seed(tree):
    for path in tree.files("lib/**/*.c"):
        if path.name != "version.c":
            path.unlink()
    for path in tree.files("examples/*.c"):
        path.unlink()
    tree.add("lib/base/version.c", "int tndb_seed(long wide);\nint tndb_seed(long wide) {\n  int narrow = wide;\n  return narrow;\n}\n")


if __name__ == "__main__":
    lint.main("no warning", check, {"a conversion that may lose something": seed})
