#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Runs every test and counts: what test/run calls when all is built and a server is there.

A step is one program. It says what it tested in lines of TAP ("ok 1 - name", "not ok 2 - name");
one that ends badly, too late, or with fewer lines than it promised has failed, whatever it said.
Steps run two at a time. The last line is "N passed, N failed".
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import examples

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
TEST = TOP / "test"
TIMEOUT = 300
VALGRIND = [
    "valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
    "--child-silent-after-fork=yes", "--fair-sched=yes", "--max-threads=1100",
]

# These run a second time with the library's connections going through PgBouncer in transaction mode.
# What is about the connections themselves (test_pool, test_prepared, test_round_trips) is not among them, nor what is
# refused there: level login, and statements outside of a transaction that have no markers (test_migrate_none).
POOLED = """
    test_adopt test_async test_batch test_bootstrap test_cancel test_copy test_create test_deadline test_harden
    test_isolation_role test_lifecycle test_list test_open test_purge test_race test_reconcile test_session
    test_session_scope test_stream test_transact test_transaction test_typed test_typed_arrays test_values
    test_verify test_version

    test_migrate_baseline test_migrate_job test_migrate_meets test_migrate_run test_migrate_run_two test_migrate_status
    test_migrate_tools test_migrate_use test_change_kinds test_change_unfinished test_standby test_standby_migrate
""".split()

running = set()
running_lock = threading.Lock()


class Outcome:
    """What a step came to: how many tests passed and failed, and what it printed."""

    def __init__(self, passed, failed, output):
        self.passed, self.failed, self.output = passed, failed, output


def count_tap(output, status):
    """Passed and failed tests of a TAP stream and an exit status."""
    passed = failed = promised = 0
    for line in output.splitlines():
        plan = re.match(r"1\.\.(\d+)", line)
        if plan:
            promised += int(plan.group(1))
        elif re.match(r"ok\b", line):
            passed += 1
        elif re.match(r"not ok\b", line):
            failed += 1
    if passed + failed < promised:
        failed += promised - passed - failed
    if failed == 0 and (status != 0 or passed == 0):
        failed = 1
    return passed, failed


def count_unittest(output, status):
    """The same for Python's unittest, whose summary is its last lines."""
    ran = re.search(r"^Ran (\d+) tests?", output, re.M)
    if not ran:
        return count_tap(output, status) if re.search(r"^(not )?ok\b", output, re.M) else (int(status == 0), int(status != 0))
    total = int(ran.group(1))
    bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", output.rsplit("Ran ", 1)[1]))
    if bad == 0 and (status != 0 or total == 0):
        bad = 1
    return max(total - bad, 0), bad


def run_program(command, environment, timeout, stdin=None):
    """Run in a process group of its own, and leave nothing of it behind."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdin=stdin or subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=environment, cwd=TOP, start_new_session=True)
        with running_lock:
            running.add(process.pid)
        late = False
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            with running_lock:
                running.discard(process.pid)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    status = process.returncode
    if late:
        text += "\nstopped: it ran for more than %d seconds\n" % timeout
        status = 1
    elif status < 0:
        text += "\ncrashed: %s\n" % signal.Signals(-status).name
    return status, text


class Database:
    """A database made and dropped by the harness's own program."""

    def __init__(self, context):
        self.process = subprocess.Popen(
            [str(context.build / "test/harness/database")], env=context.environment, cwd=TOP,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True)
        self.url = self.process.stdout.readline().strip()

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


class Context:
    """What all steps share."""

    def __init__(self, options):
        self.build = pathlib.Path(options.build).resolve()
        self.valgrind = options.valgrind
        self.accept = options.accept
        self.sanitize = "address" in (self.build_option("b_sanitize") or "")
        self.environment = dict(os.environ)
        self.environment.update(
            CMOCKA_MESSAGE_OUTPUT="TAP",
            TENANTDB_TEST_SERVER=str(TEST / "harness/server"),
            TENANTDB_TEST_PREFIX="tdbtest_%d_" % os.getpid(),
            ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1",
            UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
            LSAN_OPTIONS="print_suppressions=0",
            PYTHONDONTWRITEBYTECODE="1",
        )
        # Given once, for the server; a program that reads it by itself would leave its own database.
        self.environment.pop("DATABASE_URL", None)
        if options.quick or options.valgrind:
            self.environment["TENANTDB_TEST_QUICK"] = "1"

    def build_option(self, name):
        for option in self.introspect("--buildoptions"):
            if option["name"] == name:
                return option["value"]
        return None

    def introspect(self, what):
        text = subprocess.run(["meson", "introspect", what, str(self.build)], check=True, capture_output=True)
        return json.loads(text.stdout)

    def wrap(self, command, timeout):
        """Under valgrind when that was asked for."""
        return (VALGRIND + command, timeout * 4) if self.valgrind else (command, timeout)


class Step:
    """One line of the report."""

    def __init__(self, group, name, run):
        self.group, self.name, self.run = group, name, run

    def wanted(self, names):
        return not names or any(self.name.startswith(n) or self.group.startswith(n) for n in names)


def program_step(context, test):
    def run():
        command, timeout = context.wrap(test["cmd"], min(test["timeout"], TIMEOUT))
        status, output = run_program(command, dict(context.environment), timeout)
        return Outcome(*count_tap(output, status), output)

    return Step(test["suite"][0].split(":")[-1], test["name"], run)


def pooled_step(context, name, programs):
    """The program of that name again, behind a pooler."""

    def run():
        command, timeout = context.wrap(programs[name]["cmd"], TIMEOUT)
        environment = dict(context.environment, TENANTDB_TEST_POOLER="transaction")
        status, output = run_program(command, environment, timeout)
        return Outcome(*count_tap(output, status), output)

    return Step("pooler", "pooler:" + name, run)


def script_step(context, group, name, path, environment=None):
    """A script of ours that prints TAP."""

    def run():
        command = [str(path), "--build", str(context.build)]
        if path.suffix == ".py":
            command.insert(0, sys.executable)
        status, output = run_program(command, dict(context.environment, **(environment or {})), TIMEOUT)
        return Outcome(*count_tap(output, status), output)

    return Step(group, name, run)


def example_step(context, name):
    def run():
        with Database(context) as url:
            lines = []
            for again in (False, True):
                expected = examples.expected_path(name, again)
                if again and not expected.exists() and not context.accept:
                    break
                command, timeout = context.wrap([str(context.build / "examples" / name)], TIMEOUT)
                status, output = run_program(command, dict(context.environment, DATABASE_URL=url), timeout)
                label = name + (", run again" if again else "")
                if again and context.accept and status != 0:
                    break  # an example that is not made to be run twice
                if context.accept and status == 0:
                    examples.accept(name, again, output)
                difference = examples.compare(name, again, output)
                good = status == 0 and not difference
                lines.append("%s - %s" % ("ok" if good else "not ok", label))
                if not good:
                    lines += ["exit status %d" % status, difference or output]
                    break
        text = "\n".join(lines) + "\n"
        return Outcome(*count_tap(text, 0), text)

    return Step("examples", name, run)


def binding_step(context, path):
    def run():
        library = context.build / "lib/libtenantdb.so"
        with Database(context) as url:
            environment = dict(context.environment, TENANTDB_LIBRARY=str(library), DATABASE_URL=url)
            if context.sanitize:
                # The interpreter was not built with it, and does not free all it has at its end.
                environment["LD_PRELOAD"] = subprocess.run(
                    ["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True).stdout.strip()
                environment["ASAN_OPTIONS"] = "detect_leaks=0"
            status, output = run_program([sys.executable, str(path)], environment, TIMEOUT)
        return Outcome(*count_unittest(output, status), output)

    return Step("bindings", path.stem, run)


def all_steps(context):
    steps = [script_step(context, "lint", "lint_" + path.stem, path)
             for path in sorted((TEST / "lint").glob("check_*.py"))]
    tests = context.introspect("--tests")
    steps += [program_step(context, test) for test in tests]
    programs = {test["name"]: test for test in tests}
    steps += [pooled_step(context, name, programs) for name in POOLED]
    steps += [example_step(context, name) for name in examples.names()]
    steps += [binding_step(context, path) for path in sorted((TEST / "bindings/python").glob("test_*.py"))]
    if (TEST / "install/check.py").exists():
        steps.append(script_step(context, "install", "install", TEST / "install/check.py"))
    return steps


def timed(step):
    start = time.monotonic()
    try:
        outcome = step.run()
    except Exception as problem:  # a step that cannot even start has failed; the others go on
        outcome = Outcome(0, 1, "%s: %s\n" % (type(problem).__name__, problem))
    return step, outcome, time.monotonic() - start


def stop(*_):
    with running_lock:
        for group in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
    os._exit(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    for flag in ("--sanitize", "--valgrind", "--quick", "--accept"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    context = Context(options)
    every = all_steps(context)
    steps = [step for step in every if step.wanted(options.names)]
    passed = failed = 0
    for name in options.names:
        if not any(step.wanted([name]) for step in every):
            print("FAILED no test is called", name)
            failed += 1
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as workers:
        for future in concurrent.futures.as_completed([workers.submit(timed, step) for step in steps]):
            step, outcome, seconds = future.result()
            passed += outcome.passed
            failed += outcome.failed
            print("%-6s %-12s %-32s %4d tests %8.2f s" % (
                "FAILED" if outcome.failed else "passed", step.group, step.name,
                outcome.passed + outcome.failed, seconds), flush=True)
            if outcome.failed:
                print(outcome.output.rstrip("\n"), flush=True)
    if any(step.group not in ("lint", "unit", "install") for step in steps):
        run_program([str(context.build / "test/harness/database"), "sweep"], context.environment, TIMEOUT)
    print("%d passed, %d failed" % (passed, failed), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
