#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""What people read is true: the README's program is examples/quickstart.c, its output is what the
tests compare the example with, links lead somewhere, and functions, constants and options exist."""

import pathlib
import re
import sys

import lint

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "harness"))
import examples  # noqa: E402

README, QUICKSTART, OUTPUT = "README.md", "examples/quickstart.c", "examples/expected/speech_service.txt"
LONGEST = 40


def blocks(text, language):
    return re.findall(r"^```%s\n(.*?)^```" % language, text, re.M | re.S)


def check_programs(tree):
    problems, text, program = [], tree.read(README), tree.read(QUICKSTART)
    if program not in blocks(text, "c"):
        problems.append("%s does not hold %s as it is" % (README, QUICKSTART))
    if program.count("\n") > LONGEST:
        problems.append("%s has more than %d lines" % (QUICKSTART, LONGEST))
    printed = examples.normalise(tree.read(OUTPUT))
    excerpts = blocks(text, "text")
    if not excerpts:
        problems.append("%s shows nothing of what the example prints" % README)
    for excerpt in excerpts:
        if examples.normalise(excerpt) not in printed:
            problems.append("%s shows what is not in %s" % (README, OUTPUT))
    return problems


def check_links(tree, page, text):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"\w+:", target) and not (page.parent / target).exists():
            yield "%s: there is no %s" % (tree.name(page), target)


def check_names(tree, page, text, headers, options):
    for name in sorted(set(re.findall(r"\btenantdb_\w+(?=\()", text))):
        if not re.search(r"\b%s\(" % name, headers):
            yield "%s: there is no function %s()" % (tree.name(page), name)
    for name in sorted(set(re.findall(r"\bTENANTDB_[A-Z0-9_]*[A-Z0-9]\b", text))):
        variable = name[len("TENANTDB_"):].lower()
        if not re.search(r"\b%s\b" % name, headers) and variable not in [key.replace(".", "_") for key in options]:
            yield "%s: there is no %s" % (tree.name(page), name)
    rooms = sorted({key.split(".")[0] for key in options})
    for key in sorted(set(re.findall(r"`((?:%s)\.[a-z_]+)`" % "|".join(rooms), text))):
        if key not in options:
            yield "%s: there is no option %s" % (tree.name(page), key)


def check(tree):
    headers = "".join(path.read_text(encoding="utf-8") for path in tree.public_headers())
    options = re.findall(r'\{TNDB_\w+,\s*"([a-z_.]+)"', tree.read("lib/config/property.c"))
    problems = check_programs(tree)
    for page in tree.files(README, "doc/**/*.md"):
        text = page.read_text(encoding="utf-8")
        problems += check_links(tree, page, text)
        problems += check_names(tree, page, text, headers, options)
    return problems


if __name__ == "__main__":
    lint.main("documents", check, {
        "a quick start that was changed alone": lambda tree: tree.replace(QUICKSTART, "int main", "/* */ int main"),
        "an output that is not printed": lambda tree: tree.replace(README, "0 findings", "9 findings"),
        "a link to nowhere": lambda tree: tree.add(README, "[x](doc/none.md)\n"),
        "a function that is not there": lambda tree: tree.add(README, "tenantdb_tenant_teleport()\n"),
        "a constant that is not there": lambda tree: tree.add(README, "TENANTDB_NEVER_HEARD\n"),
        "an option that is not there": lambda tree: tree.add(README, "`pool.depth`\n"),
    })
