"""What every benchmark does: starting servers, rounds, and words meanwhile."""
import sys

from . import paths, servers

GREETING = "Hello, world!\n"


def progress(words):
    if sys.stderr.isatty():
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)


def need_built(*names):
    for name in names:
        path = paths.build / "bench" / name
        if not path.exists():
            sys.exit(f"bench: {paths.shown(path)} is missing; ./dev build")


def wanted(candidates, report, options):
    """Those that are asked for and can run here; the report tells of others."""
    for candidate in candidates:
        if options.only and candidate.short_name not in options.only:
            continue
        reason = candidate.missing()
        if reason:
            report.skip(candidate.name, reason)
        else:
            yield candidate


def start(stack, candidates, report, options, check, backend=""):
    """Starts what can be started and answers rightly, and skips the rest.

    The servers returned are stopped when the stack is left.
    """
    running = []
    for server in wanted(candidates, report, options):
        progress(f"starting {server.name}")
        stack.callback(server.stop)
        try:
            server.start(backend)
            check(server)
        except servers.Failed as failure:
            server.stop()
            report.skip(server.name, str(failure))
            continue
        report.data["versions"][server.name] = server.version()
        running.append(server)
    return running


def check_greeting(server):
    body = server.get("/")
    if body != GREETING:
        raise servers.Failed(f"answered {body[:60]!r}, not {GREETING!r}")


def ratio(value, base):
    return value / base if value is not None and base else None


def measured(running, runs, report, words, function):
    """One round: a run of every server. One that fails drops out for good,
    its earlier runs with it."""
    for server in list(running):
        progress(f"{words}: {server.name}")
        try:
            run = function(server)
        except servers.Failed as failure:
            running.remove(server)
            runs.pop(server.name, None)
            report.skip(server.name, str(failure))
            continue
        runs.setdefault(server.name, []).append(run)
