#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Every source file names its licence in its first line, or in the second after the interpreter's."""

import lint

MARK = "SPDX-License-Identifier: PostgreSQL"
SOURCES = (".c", ".h", ".py", ".sh", ".map", ".build")
FOLDERS = ("include", "lib", "examples", "test", ".ci")


def is_source(path):
    if path.suffix in SOURCES or path.name == "meson_options.txt":
        return True
    # Scripts have no ending.
    return path.suffix == "" and not path.name.startswith(".") and "__pycache__" not in path.parts


def check(tree):
    problems = []
    paths = tree.files("meson.build", "meson_options.txt", *("%s/**/*" % folder for folder in FOLDERS))
    for path in paths:
        if not is_source(path):
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[:2]
        at = 1 if lines and lines[0].startswith("#!") else 0
        if len(lines) <= at or MARK not in lines[at]:
            problems.append("%s does not begin with \"%s\"" % (tree.name(path), MARK))
    return problems


if __name__ == "__main__":
    lint.main("licence lines", check, {
        "a source without": lambda tree: tree.write("lib/base/bare.c", "int x;\n"),
        "a script without": lambda tree: tree.write("test/harness/bare", "#!/bin/sh\ntrue\n"),
        "another licence": lambda tree: tree.write("lib/base/bare.h", "/* SPDX-License-Identifier: MIT */\n"),
    })
