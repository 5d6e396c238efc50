#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""What is installed can be used: by pkg-config from C and C++, as a static archive, and as a
subproject of Meson. Everything happens in a temporary folder. Answers in TAP."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
CONSUMER = pathlib.Path(__file__).resolve().parent / "consumer.c"
PROJECT = """project('consumer', 'c', default_options: ['c_std=c99'])
tenantdb = dependency('tenantdb', fallback: 'tenantdb')
executable('consumer', 'consumer.c', dependencies: tenantdb)
"""


def run(command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError("%s\n%s" % (" ".join(str(word) for word in command), done.stdout))
    return done.stdout.strip()


class Installed:
    """The build, installed under a temporary root."""

    def __init__(self, build, root):
        self.root = root
        run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", root])
        options = {option["name"]: option["value"]
                   for option in json.loads(run(["meson", "introspect", "--buildoptions", build]))}
        self.prefix = root / options["prefix"].lstrip("/")
        self.libdir = self.prefix / options["libdir"]
        # Moved, as the root is only ours: what packagers do by DESTDIR moves back by itself.
        description = self.libdir / "pkgconfig/tenantdb.pc"
        text = description.read_text()
        if "prefix=%s\n" % options["prefix"] not in text:
            raise RuntimeError("tenantdb.pc does not name the prefix:\n" + text)
        description.write_text(text.replace("prefix=%s\n" % options["prefix"], "prefix=%s\n" % self.prefix))
        self.extra = ["-fsanitize=" + options["b_sanitize"]] if options["b_sanitize"] != "none" else []
        self.version = json.loads(run(["meson", "introspect", "--projectinfo", build]))["version"]

    def pkg_config(self, *arguments):
        """Flags from the installed .pc, whose prefix lies under our root."""
        environment = dict(os.environ, PKG_CONFIG_PATH=str(self.libdir / "pkgconfig"))
        return run(["pkg-config", *arguments], env=environment).split()

    def consume(self, command):
        program = self.root / "consumer"
        run([*command, *self.extra, "-o", program])
        # A library that was not registered with the system is found by this, as any in a prefix of one's own.
        output = run([program], env=dict(os.environ, LD_LIBRARY_PATH=str(self.libdir)))
        if output != "tenantdb " + self.version:
            raise RuntimeError("the consumer printed: %s" % output)


def by_c(installed):
    installed.consume(["cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", CONSUMER, *installed.pkg_config("--cflags", "--libs", "tenantdb")])


def by_cxx(installed):
    compiler = "g++" if shutil.which("g++") else "clang++"
    installed.consume([compiler, "-x", "c++", "-pedantic", "-Wall", "-Wextra", "-Werror", CONSUMER, "-x", "none",
                       *installed.pkg_config("--cflags", "--libs", "tenantdb")])


def by_archive(installed):
    """Ours inside the program, libpq shared."""
    installed.consume(["cc", CONSUMER, *installed.pkg_config("--cflags", "tenantdb"), installed.libdir / "libtenantdb.a",
                       *installed.pkg_config("--libs", "libpq"), "-pthread"])
    if "libtenantdb" in run(["readelf", "-d", installed.root / "consumer"]):
        raise RuntimeError("the program still wants the shared library")


def soname(installed):
    names = sorted(path.name for path in installed.libdir.glob("libtenantdb.so*"))
    wanted = ["libtenantdb.so", "libtenantdb.so.0", "libtenantdb.so." + installed.version]
    if names != wanted:
        raise RuntimeError("installed: %s" % " ".join(names))
    dynamic = run(["readelf", "-d", installed.libdir / "libtenantdb.so"])
    if "[libtenantdb.so.0]" not in dynamic:
        raise RuntimeError(dynamic)


def by_subproject(installed):
    folder = installed.root / "project"
    library = folder / "subprojects/tenantdb"
    library.mkdir(parents=True)
    for part in ("include", "lib"):
        shutil.copytree(TOP / part, library / part)
    for part in ("meson.build", "meson_options.txt", "tenantdb.pc.in"):
        shutil.copy2(TOP / part, library / part)
    shutil.copy2(CONSUMER, folder / "consumer.c")
    (folder / "meson.build").write_text(PROJECT)
    run(["meson", "setup", folder / "build", folder, "--wrap-mode=forcefallback"])
    run(["ninja", "-C", folder / "build"])
    output = run([folder / "build/consumer"])
    if output != "tenantdb " + installed.version:
        raise RuntimeError("the consumer printed: %s" % output)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(TOP / "build"))
    options = parser.parse_args()
    ways = {
        "library and soname": soname,
        "from C by pkg-config": by_c,
        "from C++ by pkg-config": by_cxx,
        "the static archive": by_archive,
        "as a subproject": by_subproject,
    }
    print("1..%d" % len(ways), flush=True)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            installed = Installed(options.build, pathlib.Path(folder))
        except RuntimeError as problem:
            sys.exit(str(problem))
        for number, (name, way) in enumerate(ways.items(), 1):
            try:
                way(installed)
                print("ok %d - %s" % (number, name), flush=True)
            except RuntimeError as problem:
                failed += 1
                print("not ok %d - %s" % (number, name))
                print("".join("# %s\n" % line for line in str(problem).splitlines()), end="", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
