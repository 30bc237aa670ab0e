"""
ws_cases - a raw peer for WebSockets (RFC 6455, RFC 7692) that tells what an
echo server, or an echo client, does wrong.

    ws_cases server URL [OPTION]...           an echo server listens there
    ws_cases client [OPTION]... -- COMMAND... an echo client: the URL is added
                                              to it; it connects again and again
                                              until nobody listens
    ws_cases abuse URL PID [OPTION]...        ws_server_target, which is that
                                              process; it ends by it
    --only GROUP[,...]  cases whose names begin so, such as "utf8" or
                        "closing.code"; again and again: all of these
    --full              those that take long, too
    --strict            a peer that is right, yet not at its best, fails
    --verbose           says each case, and what was sent and came back
    --patience SECONDS  for anything to come; 10
    --list              only says which cases there are

Prints a line for each case that fails, then "N passed, N failed". Cases are in
the module of their group, as tables.
"""

import argparse
import sys
import time

import abuse
import closing
import compression
import framing
import handshake
import handshake_client
import limits
import targets
import utf8
from frames import Broken
from talk import Late

GROUPS = (framing.framing, framing.pings, framing.reserved, framing.opcodes,
          framing.fragments, framing.masks, framing.lengths, utf8.utf8,
          closing.closing, limits.limits, compression.compression,
          handshake.handshake, handshake_client.handshake_client,
          abuse.abuse)

# Of the cases, by the role of who is tested.
ROLES = {"server": ("both", "server"), "client": ("both", "client"),
         "abuse": ("abuse",)}

# A peer that answers nothing would have us wait for ever.
LATE_MAX = 20


def arguments():
    parser = argparse.ArgumentParser(prog="ws_cases", usage=__doc__)
    parser.add_argument("role", choices=("server", "client", "abuse"))
    parser.add_argument("what", nargs="*")
    parser.add_argument("--only", action="append", default=[])
    for flag in "full", "strict", "verbose", "list":
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--patience", type=float, default=10)
    given = sys.argv[1:]
    command = []
    if "--" in given:  # argparse would take options of the command for its own
        place = given.index("--")
        given, command = given[:place], given[place + 1:]
    options = parser.parse_args(given)
    options.what += command
    return options


def chosen(cases, wanted, role, full):
    return [case for case in cases
            if case.role in ROLES[role] and (full or not case.full)
            and (not wanted or any(case.name == name
                                   or case.name.startswith(name + ".")
                                   for name in wanted))]


class Report:
    def __init__(self, options):
        self.options = options
        self.passed = self.failed = self.skipped = self.variants = 0
        self.late = 0

    def run(self, case, target):
        target.begin()
        began = time.monotonic()
        why = None
        try:
            case.run(target)
        except targets.Skip as reason:
            self.skipped += 1
            if self.options.verbose:
                print(f"skipped: {case.name}: {reason}")
            return
        except Broken as reason:
            why = str(reason)
            self.late += isinstance(reason, Late)
        notes = target.notes + [note for talk in target.talks
                                for note in talk.notes]
        if notes:
            self.variants += 1
        if not why and notes and self.options.strict:
            why = "; ".join(dict.fromkeys(notes))
        if why:
            self.failed += 1
            print(f"failed: {case.name}: {case.promise}: {why}", flush=True)
        else:
            self.passed += 1
        if self.options.verbose:
            if not why:
                print(f"passed: {case.name}: {case.promise} "
                      f"({(time.monotonic() - began) * 1000:.0f} ms)"
                      + "".join(f"\n  but {note}" for note in notes))
            for talk in target.talks[-1:] if not why else target.talks:
                print("".join(f"    {line}\n" for line in talk.log), end="")

    def tally(self):
        if self.variants and not self.options.strict:
            print(f"{self.variants} at less than their best")
        print(f"{self.passed} passed, {self.failed} failed"
              + (f", {self.skipped} skipped" if self.skipped else ""))


def main():
    options = arguments()
    cases = [case for group in GROUPS for case in group]
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), \
        sorted(name for name in set(names) if names.count(name) > 1)
    wanted = [name for names in options.only for name in names.split(",")]
    cases = chosen(cases, wanted, options.role, options.full)
    if options.list:
        for case in cases:
            print(f"{case.name}: {case.promise}")
        return 0
    if not cases or not options.what:
        sys.exit("ws_cases: no such cases" if options.what else
                 "ws_cases: of whom? see --help")
    if options.role == "client":
        target = targets.Client(options.what, options.patience)
    else:
        target = targets.Server(*options.what[:1], options.patience)
    if options.role == "abuse":
        target.pid = int(options.what[1])
        target.descriptors = abuse.descriptors(target.pid)
    report = Report(options)
    for case in cases:
        report.run(case, target)
        if report.late > LATE_MAX:
            print("failed: the peer is silent; the rest is left out")
            break
    if options.role == "client" and (status := target.finish()) != 0:
        print("failed: the client "
              + ("does not end when nobody listens" if status is None
                 else f"ends with status {status}"))
        report.failed += 1
    report.tally()
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
