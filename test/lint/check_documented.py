#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Every public function has its comment: its own name, every parameter, and the lines Ownership,
Thread, Status and Since; and is marked TENANTDB_API."""

import re

import lint

LINES = ("Ownership", "Thread", "Status", "Since")


def statuses(tree):
    """The names after TENANTDB_ in the enumeration of statuses."""
    body = re.search(r"enum \{(\s*TENANTDB_OK = 0.*?)\};", tree.read("include/tenantdb/error.h"), re.S)
    return set(re.findall(r"TENANTDB_(\w+) =", body.group(1)))


def check_comment(comment, name, parameters, known):
    """What is wrong with one function's comment."""
    if not re.match(r"/\*\*\n \* %s\(\) - \S" % re.escape(name), comment):
        yield "its comment does not begin with \"%s() - \"" % name
        return
    documented = re.findall(r"^ \* @(\w+):", comment, re.M)
    for parameter in parameters:
        if parameter not in documented:
            yield "@%s is not described" % parameter
    for word in documented:
        if word not in parameters:
            yield "@%s is described and is no parameter" % word
    for line in LINES:
        if not re.search(r"^ \* %s: +\S" % line, comment, re.M):
            yield "its comment has no line %s:" % line
    status = re.search(r"^ \* Status: +(.*?)(?=^ \* \w+: |\Z)", comment, re.M | re.S)
    listed = re.sub(r"\s*\n \*\s*", " ", status.group(1)) if status else ""
    if not listed.startswith("none"):
        for word in re.findall(r"\b[A-Z][A-Z_]+\b", listed):
            if word not in known:
                yield "%s is no status" % word


def check(tree):
    problems, known = [], statuses(tree)
    for header in tree.public_headers():
        text = header.read_text(encoding="utf-8")
        for start, statement, name, parameters in lint.prototypes(text):
            place = "%s:%d: %s()" % (tree.name(header), lint.line_of(text, start), name)
            if not statement.startswith("TENANTDB_API"):
                problems.append("%s is not marked TENANTDB_API" % place)
            before = text[:start].rstrip(" ")
            end = before.endswith("*/\n")
            comment = before[before.rindex("/*"):] if end else ""
            if not comment.startswith("/**"):
                problems.append("%s has no comment directly above" % place)
                continue
            problems += ["%s: %s" % (place, problem) for problem in check_comment(comment, name, parameters, known)]
    return problems


def seed(old, new, path="include/tenantdb/result.h"):
    return lambda tree: tree.replace(path, old, new)


if __name__ == "__main__":
    lint.main("every public function documented", check, {
        "a missing mark": seed("TENANTDB_API int32_t tenantdb_result_rows", "int32_t tenantdb_result_rows"),
        "a missing comment": seed("TENANTDB_API int32_t tenantdb_result_rows", "\nTENANTDB_API int32_t tenantdb_result_rows"),
        "another function's comment": seed(" * tenantdb_result_rows() -", " * tenantdb_result_lines() -"),
        "a missing parameter": seed(" * @column: from 0\n", ""),
        "a parameter too many": seed(" * @column: from 0\n", " * @column: from 0\n * @depth: from 0\n"),
        "a missing thread rule": seed(" * Thread:    any, one at a time.\n", ""),
        "a status that is none": seed("MEMORY, ARGUMENT.", "MEMORY, ARGUMENTS."),
    })
