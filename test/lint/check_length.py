#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Files, functions and parameter lists stay short. Relies on the layout that clang-format gives."""

import re

import lint

FILE_LINES, FUNCTION_LINES, PARAMETERS = 600, 80, 8


def split_parameters(text):
    depth, count, some = 0, 0, False
    for c in text:
        depth += c in "([" and 1 or (c in ")]" and -1 or 0)
        count += c == "," and depth == 0
        some = some or not c.isspace()
    return 0 if not some or text.strip() == "void" else count + 1


def functions(text):
    """(line, name, lines, parameters) of every function definition: they begin and end in column 0."""
    plain = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), lint.blank(text), flags=re.M)
    for match in re.finditer(r"^[A-Za-z_][^;{}=]*\{$", plain, re.M):
        head = match.group(0)
        if re.match(r"(typedef|struct|union|enum)\b[^()]*\{$", head):
            continue
        # The name is what stands before the first parenthesis that is no attribute's.
        bare = re.sub(r"__attribute__\s*\(\(.*?\)\)(?=\s|$)", lambda m: " " * len(m.group(0)), head, flags=re.S)
        name = re.search(r"(\w+)\s*\(", bare)
        if not name:
            continue
        depth, at = 1, name.end()
        while depth and at < len(bare):
            depth += {"(": 1, ")": -1}.get(bare[at], 0)
            at += 1
        end = plain.find("\n}", match.end() - 1)
        lines = plain.count("\n", match.start(), end) + 2
        yield lint.line_of(plain, match.start()), name.group(1), lines, split_parameters(bare[name.end():at - 1])


def check(tree):
    problems = []
    for path in tree.files("lib/**/*.[ch]", "examples/*.[ch]", "test/**/*.[ch]"):
        name, text = tree.name(path), path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > FILE_LINES:
            problems.append("%s has %d lines; at most %d" % (name, lines, FILE_LINES))
        if name.startswith("test/"):
            continue
        for line, function, length, parameters in functions(text):
            if length > FUNCTION_LINES:
                problems.append("%s:%d: %s() has %d lines; at most %d" % (name, line, function, length, FUNCTION_LINES))
            if parameters > PARAMETERS:
                problems.append("%s:%d: %s() has %d parameters; at most %d" % (name, line, function, parameters, PARAMETERS))
    return problems


def long_function(tree):
    tree.add("lib/base/json.c", "\nstatic int long_one(int a,\n                    int b) {\n%s  return a + b;\n}\n" % ("  a++;\n" * 78))


def many_parameters(tree):
    tree.add("lib/base/json.c", "\nint many(int a, int b, int c, int d, int e, int (*f)(int, int), int g, int h, int i) {\n  return a;\n}\n")


if __name__ == "__main__":
    lint.main("lengths", check, {
        "a long file": lambda tree: tree.add("lib/base/json.c", "int x;\n" * FILE_LINES),
        "a long function": long_function,
        "nine parameters": many_parameters,
    })
