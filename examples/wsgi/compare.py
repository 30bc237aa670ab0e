#!/usr/bin/env python3
"""Runs the page beside this file by three servers, side by side.

    examples/wsgi/compare.py [--calls N] [--ms N] [--at-once N] [--build DIR]
                             [--svg FILE]

gunicorn and uWSGI run plain.py, which makes its calls one after the other;
`eddy serve --wsgi` runs gathered.py, which differs in two lines. Each has two
processes of one thread, and all are asked at the same moment. Prints how long
each took, with a bar, and draws the same. Servers that are not installed are
left out. The services are processes of their own: `eddy demo-service`.

To be run by the Python that Flask is installed for, such as /usr/bin/python3.
"""
import argparse
import concurrent.futures
import contextlib
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "bench"))

from rig import bench_talk, paths, plot, servers  # noqa: E402

SERVICES = 5
BAR = 40  # columns

CASES = [
    ("gunicorn", "plain.py", lambda name: bench_talk.gunicorn(name, "plain")),
    ("uwsgi", "plain.py", lambda name: bench_talk.uwsgi(name, "plain", 1)),
    ("eddy serve", "gathered.py", lambda name: bench_talk.eddy(name, 1)),
]


@contextlib.contextmanager
def services(count):
    """URLs of that many services, each a process that ends with the block."""
    program = paths.build / "eddy"
    running = [
        subprocess.Popen(
            [program, "demo-service"], stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    try:
        yield [f"http://{s.stdout.readline().strip()}/" for s in running]
    finally:
        for service in running:
            service.terminate()
            service.wait()
            service.stdout.close()


def start(stack, name, make, urls):
    """A running server, or None and why on standard error."""
    server = make(name)
    reason = server.missing()
    if not reason:
        stack.callback(server.stop)
        try:
            server.start(" ".join(urls))
            bench_talk.check(server)
            return server
        except servers.Failed as failure:
            reason = failure
    print(f"{name}: {reason}; left out", file=sys.stderr)
    return None


def measure(running, options):
    """Milliseconds of each, all asked at the same moment."""
    path = f"/?n={options.calls}&ms={options.ms}"
    with concurrent.futures.ThreadPoolExecutor(len(running)) as pool:
        walls = pool.map(
            lambda server: bench_talk.hammer(
                server, options.at_once, path, options.calls
            ),
            running,
        )
        return list(walls)


def show(title, rows):
    longest = max(ms for _, _, ms in rows)
    print(f"{title}\n")
    for name, view, ms in rows:
        bar = "█" * max(1, round(BAR * ms / longest))
        print(f"  {name:<11} {view:<12} {ms:>7,.0f} ms  {bar}")
    by_name = {name: ms for name, _, ms in rows}
    others = [ms for name, ms in by_name.items() if name != "eddy serve"]
    if others and "eddy serve" in by_name:
        times = min(others) / by_name["eddy serve"]
        print(f"\nGathered is {times:.1f} times as fast.")


def read_options():
    parser = argparse.ArgumentParser(
        description="Runs plain.py and gathered.py by three servers."
    )
    parser.add_argument("--calls", type=int, default=20, help="of a page (20)")
    parser.add_argument("--ms", type=int, default=100, help="of a call (100)")
    parser.add_argument(
        "--at-once", type=int, default=1, help="requests sent at once (1)"
    )
    parser.add_argument(
        "--build", type=pathlib.Path, default=paths.build, metavar="DIR"
    )
    parser.add_argument("--svg", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    if min(options.calls, options.ms, options.at_once) < 1:
        parser.error("a number must be at least 1")
    return options


def main():
    options = read_options()
    paths.build = options.build.resolve()
    # Ended from outside, it still stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        urls = stack.enter_context(services(SERVICES))
        started = [
            (name, view, start(stack, name, make, urls))
            for name, view, make in CASES
        ]
        started = [case for case in started if case[2]]
        if not started:
            sys.exit("compare: no server can be run here")
        walls = measure([server for _, _, server in started], options)
    title = f"A page of {options.calls} calls of {options.ms} ms"
    if options.at_once > 1:
        title += f", asked for {options.at_once} times at once"
    rows = [(name, view, ms) for (name, view, _), ms in zip(started, walls)]
    show(title, rows)
    if options.svg:
        options.svg.write_text(plot.bars_svg(title, rows))


if __name__ == "__main__":
    try:
        main()
    except servers.Failed as failure:
        sys.exit(f"compare: {failure}")
