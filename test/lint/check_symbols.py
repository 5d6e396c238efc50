#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""What the shared library exports = what lib/tenantdb.map says = what the public headers declare;
and the archive puts no name into the world that is not ours. --write brings the newest node of the
map up to date."""

import re

import lint

MAP = "lib/tenantdb.map"
# What compilers and sanitizers add of their own.
FOREIGN = re.compile(r"__(odr_)?asan|__ubsan|__gcov|__llvm|_fini$|_init$|__x86\.")


def mapped(tree):
    """(names, problems) of the version script."""
    text = re.sub(r"/\*.*?\*/", "", tree.read(MAP), flags=re.S)
    names, problems = set(), []
    for node in re.finditer(r"\{(.*?)\}", text, re.S):
        exported = re.search(r"global:(.*?)(local:|$)", node.group(1), re.S)
        names.update(word for word in re.findall(r"[^\s;]+", exported.group(1) if exported else ""))
    for name in sorted(names):
        if re.search(r"[*?\[]", name):
            problems.append("%s: \"%s\" is a wildcard; name the functions (check_symbols.py --write)" % (MAP, name))
    return names, problems


def nm(path, *flags):
    status, output = lint.run(["nm", *flags, str(path)])
    if status != 0:
        return None
    names = {line.split()[-1].split("@")[0] for line in output.splitlines() if len(line.split()) >= 3 and line.split()[-2] != "A"}
    return {name for name in names if not FOREIGN.match(name)}


def compare(problems, have, what, wanted, other):
    for name in sorted(wanted - have):
        problems.append("%s is in %s and not in %s" % (name, other, what))


def check(tree):
    names, problems = mapped(tree)
    declared = lint.api_names(tree)
    if not any("wildcard" in problem for problem in problems):
        compare(problems, names, MAP, declared, "the public headers")
        compare(problems, declared, "the public headers", names, MAP)
    shared = nm(tree.build / "lib/libtenantdb.so", "-D", "--defined-only")
    archive = nm(tree.build / "lib/libtenantdb.a", "-g", "--defined-only")
    if shared is None or archive is None:
        return problems + ["%s/lib holds no libtenantdb.so and libtenantdb.a; build first" % tree.build]
    compare(problems, shared, "libtenantdb.so", declared, "the public headers")
    compare(problems, declared, "the public headers", shared, "libtenantdb.so")
    problems += ["libtenantdb.a defines %s, which is neither tenantdb_ nor tndb_" % name
                 for name in sorted(archive) if not re.match(r"(tenantdb|tndb)_", name)]
    return problems


def write(tree):
    text = tree.read(MAP)
    listing = "".join("    %s;\n" % name for name in sorted(lint.api_names(tree)))
    start = text.rindex("global:\n") + len("global:\n")
    tree.write(MAP, text[:start] + listing + text[text.index("  local:", start):])


def stray(tree):
    """A library with one name too many, for real."""
    build = tree.top / "stray/lib"
    build.mkdir(parents=True)
    source = "int %s(void); int %s(void) { return 0; }\n"
    names = sorted(lint.api_names(tree)) + ["stray_name"]
    tree.write("stray/all.c", "".join(source % (name, name) for name in names))
    lint.run(["cc", "-shared", "-fPIC", "-o", str(build / "libtenantdb.so"), str(tree.top / "stray/all.c")], check=True)
    lint.run(["cc", "-c", "-o", str(tree.top / "stray/all.o"), str(tree.top / "stray/all.c")], check=True)
    lint.run(["ar", "rcs", str(build / "libtenantdb.a"), str(tree.top / "stray/all.o")], check=True)
    tree.build = tree.top / "stray"


def wildcard(tree):
    tree.replace(MAP, "global:\n", "global:\n    tenantdb_extra_*;\n")


def missing(tree):
    write(tree)
    tree.replace(MAP, "    tenantdb_version;\n", "")


if __name__ == "__main__":
    lint.main("exported symbols", check, {
        "a wildcard in the map": wildcard,
        "a function that the map lacks": missing,
        "a function that is declared only": lambda tree: tree.replace(
            "include/tenantdb/version.h", "TENANTDB_API const char", "TENANTDB_API int tenantdb_nowhere(void);\nTENANTDB_API const char"),
        "a stray symbol in library and archive": stray,
    }, write)
