# SPDX-License-Identifier: PostgreSQL
"""What the checks share: the tree, C text without comments and strings, TAP, and seeds.

A check is a function that takes a Tree and returns a list of problems. Every check proves
that it can fail: a seed damages a copy of the tree, and the check must then find more than
it found before.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
ROOMS = [
    "base", "config", "sql", "registry", "statement", "pg", "pool", "catalog", "session", "schema",
    "tenant", "migrate", "vault", "operate",
]


class Tree:
    """The sources at `top`, and a build of them."""

    def __init__(self, top, build):
        self.top, self.build = pathlib.Path(top), pathlib.Path(build)

    def files(self, *patterns):
        found = set()
        for pattern in patterns:
            found.update(path for path in self.top.glob(pattern) if path.is_file())
        return sorted(found)

    def name(self, path):
        return str(path.relative_to(self.top))

    def read(self, path):
        return (self.top / path).read_text(encoding="utf-8")

    def write(self, path, text):
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(text, encoding="utf-8")

    def replace(self, path, old, new):
        text = self.read(path)
        if old not in text:
            raise ValueError("%s holds no %r: the seed is out of date" % (path, old))
        self.write(path, text.replace(old, new, 1))

    def add(self, path, text):
        self.write(path, self.read(path) + text)

    def public_headers(self):
        return self.files("include/*.h", "include/tenantdb/*.h")


def blank(text):
    """The text with what is in comments, strings and character constants as spaces: lines stay."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return token.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def run(command, **options):
    """Exit status and everything printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    return done.returncode, done.stdout


def prototypes(text):
    """The function prototypes of a public header: (offset, whole text, name, list of parameter names)."""
    plain = blank(text)
    plain = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), plain, flags=re.M)
    plain = re.sub(r"extern\s+\{", lambda m: " " * len(m.group(0)), plain.replace('extern "C"', "extern    "))
    plain = re.sub(r"\{[^{}]*\}", lambda m: re.sub(r"[^\n]", " ", m.group(0)), plain)
    found = []
    for match in re.finditer(r"[^;]+;", plain):
        statement = match.group(0).strip()
        start = match.start() + len(match.group(0)) - len(match.group(0).lstrip())
        head = re.match(r"[^()]*?(\w+)\s*\((.*)\)\s*;$", statement, re.S)
        if not head or statement.startswith("typedef"):
            continue
        names = []
        for parameter in head.group(2).split(","):
            last = re.findall(r"\w+", re.sub(r"\[.*\]", "", parameter))
            if last and last != ["void"]:
                names.append(last[-1])
        found.append((start, statement, head.group(1), names))
    return found


def api_names(tree):
    """What the public headers export."""
    names = set()
    for header in tree.public_headers():
        for _, statement, name, _ in prototypes(header.read_text(encoding="utf-8")):
            if "TENANTDB_API" in statement:
                names.add(name)
    return names


def copy(tree, folder):
    """A copy of the sources, to be damaged."""
    top = pathlib.Path(folder) / "tree"
    for part in ("include", "lib", "examples", "test", "doc"):
        if (tree.top / part).is_dir():
            shutil.copytree(tree.top / part, top / part, ignore=shutil.ignore_patterns("__pycache__"))
    for path in tree.top.iterdir():
        if path.is_file():
            shutil.copy2(path, top / path.name)
    return Tree(top, tree.build)


def main(title, check, seeds, write=None):
    """Run a check on the tree, then on a damaged copy for every seed; answer in TAP."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--build", default=str(TOP / "build"))
    if write:
        parser.add_argument("--write", action="store_true", help="bring the generated file up to date")
    options = parser.parse_args()
    tree = Tree(TOP, options.build)
    if write and options.write:
        write(tree)
        return
    print("1..%d" % (1 + len(seeds)), flush=True)
    problems = check(tree)
    if isinstance(problems, str):
        for number, name in enumerate([title] + list(seeds)):
            print("ok %d - %s # SKIP %s" % (number + 1, name, problems))
        return
    print("%s 1 - %s" % ("not ok" if problems else "ok", title))
    for problem in problems:
        print("#", problem)
    failed = bool(problems)
    for number, (name, damage) in enumerate(seeds.items()):
        with tempfile.TemporaryDirectory() as folder:
            damaged = copy(tree, folder)
            damage(damaged)
            found = set(check(damaged)) - set(problems)
        print("%s %d - finds %s" % ("ok" if found else "not ok", number + 2, name), flush=True)
        failed = failed or not found
    sys.exit(1 if failed else 0)
