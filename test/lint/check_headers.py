#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Every public header compiles alone, and twice, as C99 and as C++."""

import shutil

import lint

STRICT = ["-pedantic", "-Werror", "-Wall", "-Wextra", "-fsyntax-only"]
LANGUAGES = [("gcc", "c", "c99"), ("clang", "c", "c99"), ("g++", "c++", "c++11"), ("clang++", "c++", "c++11")]


def libpq_flags():
    status, output = lint.run(["pkg-config", "--cflags", "libpq"])
    return output.split() if status == 0 else []


def check(tree):
    problems = []
    flags = libpq_flags()
    languages = [row for row in LANGUAGES if shutil.which(row[0])]
    for kind in ("c", "c++"):
        if not any(row[1] == kind for row in languages):
            problems.append("there is no compiler for %s" % kind)
    for compiler, language, standard in languages:
        for header in tree.public_headers():
            name = str(header.relative_to(tree.top / "include"))
            command = [compiler, "-x", language, "-std=" + standard, *STRICT, "-I", str(tree.top / "include"), *flags, "-"]
            for text in ("#include <%s>\n" % name, "#include <%s>\n#include <%s>\n" % (name, name)):
                status, output = lint.run(command, input=text + "int main(void) { return 0; }\n")
                if status != 0:
                    problems.append("%s as %s by %s: %s" % (name, standard, compiler, first_line(output)))
                    break
    return problems


def first_line(output):
    lines = [line for line in output.splitlines() if "error:" in line]
    return lines[0] if lines else output.strip()


if __name__ == "__main__":
    lint.main("public headers alone", check, {
        "a header that lacks an include": lambda tree: tree.replace("include/tenantdb/result.h", "#include <tenantdb/api.h>\n#include <tenantdb/error.h>\n", ""),
        "a header that is no C++": lambda tree: tree.replace("include/tenantdb/version.h", "TENANTDB_API const char", "TENANTDB_API int tenantdb_new(int class);\nTENANTDB_API const char"),
        "a header without a guard": lambda tree: tree.replace("include/tenantdb/error.h", "#ifndef TENANTDB_ERROR_H", "#ifndef TENANTDB_ERROR_G"),
    })
