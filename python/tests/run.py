"""Runs tests of this folder: run.py [MODULE...]; all without one.

Ends with the line that tools/tally counts by, "N passed, N failed, N skipped";
exits 1 when one failed, and 77 when all were skipped.
"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77


def suite_of(names):
    loader = unittest.defaultTestLoader
    return loader.loadTestsFromNames(names) if names else loader.discover(HERE)


def main(names):
    sys.path.insert(0, HERE)
    runner = unittest.TextTestRunner(sys.stdout, verbosity=2)
    result = runner.run(suite_of(names))
    failed = len(result.failures) + len(result.errors)
    failed += len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    passed = max(0, result.testsRun - failed - skipped)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed:
        return 1
    return 0 if passed or not skipped else SKIPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
