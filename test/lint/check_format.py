#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""C is laid out as clang-format 14 does it. Another version lays out otherwise, so only that one judges."""

import re
import shutil

import lint


def formatter():
    for name in ("clang-format-14", "clang-format"):
        if shutil.which(name):
            _, output = lint.run([name, "--version"])
            if re.search(r"version 14\.", output):
                return name
    return None


def check(tree):
    name = formatter()
    if not name:
        return "clang-format 14 is not installed"
    paths = [str(path) for path in tree.files("lib/**/*.[ch]", "examples/*.[ch]", "test/**/*.[ch]")]
    _, output = lint.run([name, "--dry-run", *paths], cwd=tree.top)
    files = sorted(set(re.findall(r"^(\S+?):\d+:\d+: (?:warning|error): code should be clang-formatted", output, re.M)))
    return ["%s is not as clang-format leaves it" % path.replace(str(tree.top) + "/", "") for path in files]


if __name__ == "__main__":
    lint.main("layout", check, {
        "a line that is laid out otherwise": lambda tree: tree.add("lib/base/version.c", "int  x ;\n"),
    })
