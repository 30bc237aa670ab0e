"""Handles of calls: waiting for one, for many, from asyncio; the end."""
import asyncio
import atexit
import collections
import itertools
import logging
import os
import secrets
import threading
import time
import weakref

from . import _eddy, _errors

_eddy.claim()

# Handles that are kept by number: as many, and for as long, as those of the
# library.
STASH_MAX = 10000
STASH_SECONDS = 600
# What the process waits for, at its end, of calls that are cancelled then.
EXIT_SECONDS = 1

log = logging.getLogger("eddy")


class EventualResult(_eddy.Eventual):
    """A result to come. Any number of threads may wait for it, again and again:
    each gets the same value, or the same failure.

    Dropping it does not stop the call. A failure that nobody has asked for is
    logged then, once, by the logger "eddy".
    """

    __slots__ = ()

    def result(self, timeout=None):
        """wait(), by its name in concurrent.futures."""
        return self.wait(timeout)

    def exception(self):
        """original_failure(), by its name in concurrent.futures."""
        return self.original_failure()

    def stash(self):
        """Keeps it, and returns a number by which retrieve_result() has it
        back, once: random, and good in this process only."""
        return _stash.put(self)

    def __await__(self):
        if not self.done():
            yield from _wait_in_asyncio(self).__await__()
        return self.wait(0)

    def __repr__(self):
        state = "done" if self.done() else "pending"
        about = _errors.shown(self._about())
        return f"<eddy.EventualResult {state} {about}".rstrip() + ">"


# ---- many of them ----


def gather(handles, timeout=None, return_exceptions=False):
    """The results of all, in their order.

    The first failure is raised at once, and the other calls are cancelled; so
    they are when `timeout` seconds have passed (TimeoutError). With
    `return_exceptions` failures are results like others, and those that were
    not done in time are a TimeoutError each.
    """
    return _eddy.gather(handles, timeout, return_exceptions)


def _left(until):
    return None if until is None else max(0, until - time.monotonic())


def as_completed(handles, timeout=None):
    """Yields the handles in the order in which they are done. WaitTimeout when
    there are some left after `timeout` seconds; they go on."""
    left = list(handles)
    until = None if timeout is None else time.monotonic() + timeout
    while left:
        # All that are done at a time, as each look is at all of them.
        places = _eddy.wait_done(left, _left(until))
        if not places:
            raise _errors.WaitTimeout(f"{len(left)} not done; they go on")
        done = [left[place] for place in places]
        seen = set(places)
        left = [one for n, one in enumerate(left) if n not in seen]
        yield from done


def race(handles, timeout=None):
    """The result that comes first; the other calls are cancelled. When all
    fail, the failure of the last; TimeoutError when nothing came in time."""
    handles = list(handles)
    if not handles:
        raise ValueError("race() of nothing")
    failure = None
    try:
        for handle in as_completed(handles, timeout):
            failure = handle.original_failure()
            if failure is None:
                return handle.wait(0)
    except _errors.WaitTimeout:
        text = f"no result within {timeout:.3g} s"
        raise _errors.TimeoutError(text) from None
    finally:
        for handle in handles:
            handle.cancel()
            handle.original_failure()  # nobody else will ask
    raise failure


# ---- handles as numbers ----


class _Stash:
    def __init__(self):
        self.lock = threading.Lock()
        self.kept = collections.OrderedDict()  # number: (until, handle)

    def put(self, handle):
        with self.lock:
            dropped = self._drop_old()
            if len(self.kept) >= STASH_MAX:
                raise _errors.Overload(f"{STASH_MAX} results are stashed")
            number = secrets.randbelow(2**53 - 1) + 1
            while number in self.kept:
                number = secrets.randbelow(2**53 - 1) + 1
            self.kept[number] = (time.monotonic() + STASH_SECONDS, handle)
        del dropped  # logs, perhaps: not with the lock
        return number

    def take(self, number):
        with self.lock:
            dropped = self._drop_old()
            _, handle = self.kept.pop(number)
        del dropped
        return handle

    def _drop_old(self):
        now = time.monotonic()
        old = []
        for number, (until, handle) in self.kept.items():
            if until > now:
                break
            old.append((number, handle))
        for number, _ in old:
            del self.kept[number]
        return old


_stash = _Stash()


def retrieve_result(number):
    """The handle that was stashed by that number. KeyError when there is none,
    or it was retrieved already, or not within ten minutes."""
    return _stash.take(number)


# ---- asyncio ----


class _Bridge:
    """Tells one loop of asyncio what is done, through a mailbox. The loop keeps
    it, as one that it reads for; we do not, since its futures keep the loop."""

    def __init__(self, loop):
        self.mailbox = _eddy.Mailbox()
        self.numbers = itertools.count()
        self.futures = {}
        loop.add_reader(self.mailbox.fileno(), self.drain)

    def watch(self, handle, future):
        number = next(self.numbers)
        if handle._post(self.mailbox, number):
            self.futures[number] = future
        else:
            future.set_result(None)
        return number

    def drain(self):
        for number in self.mailbox.take():
            future = self.futures.pop(number, None)
            if future and not future.done():
                future.set_result(None)


_bridges = weakref.WeakKeyDictionary()  # type: ignore[var-annotated]


async def _wait_in_asyncio(handle):
    loop = asyncio.get_running_loop()
    known = _bridges.get(loop)
    bridge = known and known()
    if bridge is None:
        bridge = _Bridge(loop)
        _bridges[loop] = weakref.ref(bridge)
    future = loop.create_future()
    number = bridge.watch(handle, future)
    try:
        await future
    except asyncio.CancelledError:
        handle.cancel()
        raise
    finally:
        bridge.futures.pop(number, None)


# ---- the loop ----


def start(max_pending=0):
    """Starts the loop now; not needed otherwise, but after stop(). More calls
    under way than `max_pending` are refused with Overload; 100,000."""
    _eddy.start(max_pending)


def stop(timeout=None):
    """Stops the loop: what is under way is cancelled and fails with Stopped, and
    so do later calls, until start(). Whether all ended within that time."""
    return _eddy.stop(timeout)


def counts():
    """Figures of the loop, as a dict: running, calls, pending, ..."""
    return _eddy.counts()


def log_level(level):
    """What the loop itself writes to standard error: "debug", "info", "warn",
    "error" or "off"."""
    _eddy.set_log_level(level)


def _unclaimed(failure):
    where = f" of {failure.url}" if failure.url else ""
    log.error(
        "Unhandled error in EventualResult%s: %s: %s",
        where,
        type(failure).__name__,
        failure,
    )


def _at_exit():
    """Daemon threads that wait are woken while there is an interpreter."""
    kept, _stash.kept = _stash.kept, collections.OrderedDict()
    del kept  # logs what failed
    _eddy.stop(EXIT_SECONDS)
    _eddy.unclaimed_close()


def _forked():
    _eddy.forked()
    _stash.__init__()
    _bridges.clear()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_forked)
