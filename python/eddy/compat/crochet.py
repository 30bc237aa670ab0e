"""crochet's interface, on Eddy.

    from eddy.compat.crochet import setup, run_in_reactor, wait_for

What was a reactor is a loop of asyncio in a thread of its own, which is started
by the first decorated call after setup(); fido's fetches need none. A decorated
function runs there, and may give a plain value, an awaitable (one of Eddy's
handles is one), or be an async function. Two things are otherwise, and better:
wait_for() in the loop's thread fails before anything is scheduled, and a forked
child can use all of it at once.
"""
import asyncio
import atexit
import concurrent.futures.thread  # its hook of the end must be behind ours
import functools
import inspect
import logging
import os
import sys
import threading
import traceback
import weakref

from .. import _calls, _errors

__all__ = [
    "CancelledError",
    "EventualResult",
    "ReactorStopped",
    "TimeoutError",
    "no_setup",
    "retrieve_result",
    "run_in_reactor",
    "setup",
    "wait_for",
]

# How long the end of the program waits for the loop's thread.
STOP_SECONDS = 1

_log = logging.getLogger("eddy.crochet")


class TimeoutError(_errors.Error):
    """wait() took too long; what was waited for goes on."""


class CancelledError(_errors.Canceled, asyncio.CancelledError):
    """The call was ended by cancel(). An Exception, as Twisted's is: one of
    asyncio alone would pass by what is there to catch failures of a call."""


class ReactorStopped(Exception):
    """The loop has stopped, so no result will come."""


class Failure:
    """An exception with where it came from, as Twisted keeps it."""

    def __init__(self, exception):
        self.value = exception
        self.type = type(exception)
        self.tb = exception.__traceback__

    def getTraceback(self):
        parts = traceback.format_exception(self.type, self.value, self.tb)
        return "".join(parts)

    def getErrorMessage(self):
        return str(self.value)

    def printTraceback(self, file=None):
        print(self.getTraceback(), end="", file=file or sys.stderr)

    def check(self, *types):
        return next((t for t in types if isinstance(self.value, t)), None)

    def trap(self, *types):
        return self.check(*types) or self.raiseException()

    def raiseException(self):
        raise self.value.with_traceback(self.tb)

    def __repr__(self):
        return f"<Failure {self.type.__name__}: {self.value}>"


def _log_unhandled(failure):
    _log.error(
        "Unhandled error in EventualResult\n%s", failure.getTraceback()
    )


class _Outcome:
    """What comes of a call. The loop holds it, and knows its handle only as
    long as somebody else does."""

    def __init__(self):
        self.arrived = threading.Event()
        self.lock = threading.RLock()  # a handle may be collected in it
        self.value = None
        self.failure = None
        self.collected = False
        self.abandoned = False  # nobody can ask for it any more
        self.task = None  # in the loop's thread: what can be cancelled

    def deliver(self, value=None, failure=None):
        with self.lock:
            if self.arrived.is_set():
                return
            self.value, self.failure = value, failure
            self.arrived.set()
            loud = self.abandoned
        if loud:
            self.complain()

    def abandon(self):
        with self.lock:
            self.abandoned = True
            loud = self.arrived.is_set() and not self.collected
        if loud:
            self.complain()

    def complain(self):
        failure = self.failure
        if failure and not failure.check(
            ReactorStopped, asyncio.CancelledError
        ):
            _log_unhandled(failure)


class EventualResult:
    """A result to come: of run_in_reactor(), or of eddy.compat.fido."""

    def __init__(self, outcome=None):
        self._outcome = outcome or _Outcome()

    def wait(self, timeout):
        """The result, or its exception; TimeoutError after that many seconds,
        after which it may be waited for again."""
        outcome = self._outcome
        if not outcome.arrived.is_set():
            _reactor.refuse_inside()
            if not outcome.arrived.wait(timeout):
                raise TimeoutError()
        outcome.collected = True
        if outcome.failure:
            outcome.failure.raiseException()
        return outcome.value

    def cancel(self):
        """Asks for it to end early; what comes of that is the call's
        business."""
        _reactor.cancel(self._outcome)

    def stash(self):
        """Keeps it for retrieve_result(); returns a number."""
        return _calls._stash.put(self)

    def original_failure(self):
        """The Failure, or None while it is pending and when it succeeded."""
        outcome = self._outcome
        if not outcome.arrived.is_set():
            return None
        outcome.collected = True
        return outcome.failure

    def __del__(self):
        outcome = getattr(self, "_outcome", None)
        if outcome:
            outcome.abandon()


def retrieve_result(result_id):
    """What was stashed by that number, once; KeyError otherwise."""
    return _calls.retrieve_result(result_id)


# ---- the loop ----


class _Reactor:
    def __init__(self):
        self.lock = threading.RLock()
        self.chosen = None  # "setup" or "no_setup"
        self.loop = None
        self.thread = None  # None: the loop is the program's own
        self.stopped = False
        self.outcomes = weakref.WeakSet()  # of calls under way
        self.fetches = weakref.WeakSet()  # of fido

    def choose(self, choice):
        with self.lock:
            self.chosen = choice

    def refuse_inside(self):
        if self.is_inside():
            raise RuntimeError("wait() in the loop's thread would never end")

    def is_inside(self):
        if self.thread:
            return threading.current_thread() is self.thread
        try:
            return self.loop is asyncio.get_running_loop()
        except RuntimeError:
            return False

    def submit(self, function, args, kwargs):
        outcome = _Outcome()
        with self.lock:
            self._need()
            self.outcomes.add(outcome)
            try:
                self.loop.call_soon_threadsafe(
                    _call, outcome, function, args, kwargs
                )
            except RuntimeError:  # a loop of the program's that is closed
                raise ReactorStopped() from None
        return EventualResult(outcome)

    def _need(self):
        if self.stopped:
            raise ReactorStopped()
        if self.chosen is None:
            raise RuntimeError("setup() has not been called")
        if self.loop:
            return
        if self.chosen == "no_setup":
            raise RuntimeError("no_setup() was not given a loop")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(
            target=self._run, name="CrochetReactor", daemon=True
        )
        try:
            self.thread.start()
        except RuntimeError:  # none begin any more when the program ends
            self.loop.close()
            self.loop = self.thread = None
            raise ReactorStopped() from None

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(
            asyncio.gather(*tasks, return_exceptions=True)
        )
        self.loop.close()

    def cancel(self, outcome):
        with self.lock:
            if self.loop is None or outcome.arrived.is_set():
                return
            try:
                self.loop.call_soon_threadsafe(_cancel, outcome)
            except RuntimeError:
                pass  # the loop is closed; it was told ReactorStopped

    def stop(self):
        """Wakes all who wait, and ends the thread: at the end of the main
        thread, before the others are waited for."""
        with self.lock:
            if self.stopped:
                return
            self.stopped = True
            outcomes, fetches = list(self.outcomes), list(self.fetches)
        _log_stashed()
        for outcome in outcomes:
            outcome.deliver(failure=Failure(ReactorStopped()))
        for fetch in fetches:
            fetch._stop()
        if self.thread and self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(STOP_SECONDS)

    def forked(self):
        """In the child: what was under way is the parent's; setup() holds."""
        outcomes, fetches = list(self.outcomes), list(self.fetches)
        chosen = self.chosen
        self.__init__()
        self.chosen = "setup" if chosen == "setup" else None
        for outcome in outcomes:
            outcome.collected = True  # failures are the parent's to log
            # Its lock may be held by a thread there is no more.
            outcome.lock = threading.RLock()
            outcome.deliver(failure=Failure(ReactorStopped("forked")))
        self.fetches.update(fetches)


def _log_stashed():
    for _, handle in list(_calls._stash.kept.values()):
        if isinstance(handle, EventualResult):
            failure = handle.original_failure()
            if failure and not failure.check(ReactorStopped):
                _log_unhandled(failure)


def _call(outcome, function, args, kwargs):
    """In the loop's thread."""
    try:
        result = function(*args, **kwargs)
    except BaseException as exception:
        outcome.deliver(failure=Failure(exception))
        return
    if not inspect.isawaitable(result):
        outcome.deliver(result)
        return
    try:
        outcome.task = asyncio.ensure_future(result)
    except TypeError as exception:
        outcome.deliver(failure=Failure(exception))
        return
    outcome.task.add_done_callback(functools.partial(_finish, outcome))


def _finish(outcome, task):
    if task.cancelled():
        outcome.deliver(failure=Failure(CancelledError()))
    elif task.exception():
        outcome.deliver(failure=Failure(task.exception()))
    else:
        outcome.deliver(task.result())


def _cancel(outcome):
    """In the loop's thread, behind the call itself."""
    if outcome.task:
        outcome.task.cancel()


_reactor = _Reactor()
os.register_at_fork(after_in_child=_reactor.forked)


def setup():
    """Makes all the rest work. Any number of calls, of which the first acts."""
    if _reactor.chosen is None:
        _reactor.choose("setup")


def no_setup(loop=None):
    """Says that the program runs a loop of asyncio itself: that given, or the
    one this is called in. Later calls of setup() do nothing; after one, or a
    second time, RuntimeError."""
    if _reactor.chosen is not None:
        raise RuntimeError("no_setup() after setup(), or a second time")
    if loop is None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            pass
    _reactor.loop = loop
    _reactor.choose("no_setup")


def _decorated(function, wrap):
    """Class and static methods are decorated inside."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(wrap(function.__func__))
    return None


def run_in_reactor(function):
    """A decorator: the function runs in the loop's thread, and a call gives an
    EventualResult at once."""
    inside = _decorated(function, run_in_reactor)
    if inside:
        return inside

    @functools.wraps(function)
    def call(*args, **kwargs):
        return _reactor.submit(function, args, kwargs)

    call.__wrapped__ = function
    return call


def wait_for(timeout):
    """A decorator: the function runs in the loop's thread, and a call waits for
    the result, `timeout` seconds at most; then it is cancelled, and TimeoutError
    is raised."""

    def decorate(function):
        inside = _decorated(function, decorate)
        if inside:
            return inside

        @functools.wraps(function)
        def call(*args, **kwargs):
            _reactor.refuse_inside()
            eventual = _reactor.submit(function, args, kwargs)
            try:
                return eventual.wait(timeout)
            except TimeoutError:
                if not eventual._outcome.arrived.is_set():
                    eventual.cancel()
                    eventual._outcome.collected = True
                raise

        call.__wrapped__ = function
        return call

    return decorate


# Exit hooks come too late: they are run when all threads have ended, which those
# that wait never do. These are run last come, first served, and pools of threads
# have one, which waits for theirs.
try:
    threading._register_atexit(_reactor.stop)
except (AttributeError, RuntimeError):
    pass
atexit.register(_reactor.stop)
