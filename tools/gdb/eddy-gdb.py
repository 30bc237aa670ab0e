"""Fibers in gdb, in a running process as in a core file.

    (gdb) source tools/gdb/eddy-gdb.py
    (gdb) eddy fibers          every fiber of every loop
    (gdb) eddy bt 3            the stack of fiber 3

A fiber that waits has no thread to show. Its registers lie on its stack where
ed_switch() left them, so an unwinder lets gdb believe, while "eddy bt" runs,
that the thread's innermost frame was called from there. Nothing in the process
is changed. The layouts are those of src/core/switch_*.S.
"""

import re

import gdb
import gdb.unwinder

# By gdb's name of an architecture: the registers saved by ed_switch(), a word
# each from the saved stack pointer up; the stack pointer; the words in all.
LAYOUTS = {
    "i386:x86-64": (
        ["r15", "r14", "r13", "r12", "rbx", "rbp", "rip"],
        "rsp",
        7,
    ),
    "aarch64": (
        ["x%d" % n for n in range(19, 30)] + ["pc"],
        "sp",
        20,
    ),
}

READY, RUNNING, PARKED = "READY", "RUNNING", "PARKED"


class Registers:
    """Where a fiber that does not run will go on."""

    def __init__(self, saved_sp):
        arch = gdb.selected_frame().architecture().name()
        if arch not in LAYOUTS:
            raise gdb.GdbError("eddy: no stack layout known for " + arch)
        names, self.sp_name, words = LAYOUTS[arch]
        word = gdb.lookup_type("unsigned long")
        stack = saved_sp.cast(word.pointer())
        self.values = {n: stack[i].cast(word) for i, n in enumerate(names)}
        sp = int(saved_sp) + words * word.sizeof
        self.values[self.sp_name] = gdb.Value(sp).cast(word)

    def pc(self):
        return int(self.values.get("rip", self.values.get("pc")))


class Fiber:
    """A fiber as found in a loop's list, with the thread of that loop."""

    def __init__(self, value, thread):
        self.value = value
        self.thread = thread
        state = str(value["state"].cast(gdb.lookup_type("enum ed_fiber_state")))
        self.state = state.replace("ED_FIBER_", "")

    def text(self, name):
        pointer = self.value[name]
        return pointer.string(errors="replace") if int(pointer) else ""

    def doing(self):
        if self.state == PARKED:
            return "waits for " + (self.text("what") or "something")
        return self.state.lower()


def list_members(head, type_name, member):
    """The structs whose `member` is linked into the list, front to back."""
    kind = gdb.lookup_type(type_name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    end = int(head.address)
    link = head["next"]
    while int(link) not in (0, end):
        at = gdb.Value(int(link) - offset)
        yield at.cast(kind.pointer()).dereference()
        link = link["next"]


def thread_loop():
    """The selected thread's loop, or None."""
    try:
        loop = gdb.parse_and_eval("ed_loop_tls")
    except gdb.error:
        return None
    return loop.dereference() if int(loop) else None


class SelectedThread:
    """Gives the user's thread and frame back when left."""

    def __enter__(self):
        self.thread = gdb.selected_thread()
        self.frame = gdb.selected_frame() if self.thread else None

    def __exit__(self, *_):
        if self.thread:
            self.thread.switch()
        if self.frame and self.frame.is_valid():
            self.frame.select()


def all_fibers():
    """Every fiber: loops by thread number, fibers as they were started."""
    fibers = []
    if not gdb.selected_thread():
        raise gdb.GdbError("eddy: no process and no core file")
    with SelectedThread():
        threads = gdb.selected_inferior().threads()
        for thread in sorted(threads, key=lambda t: t.num):
            thread.switch()
            loop = thread_loop()
            if loop is None:
                continue
            for value in list_members(loop["fibers"], "struct ed_fiber", "all"):
                fibers.append(Fiber(value, thread))
    return fibers


class FiberUnwinder(gdb.unwinder.Unwinder):
    """While set, says that the innermost frame was called by a fiber."""

    def __init__(self):
        super().__init__("eddy-fiber")
        self.registers = None
        self.innermost_sp = 0

    def __call__(self, pending):
        if self.registers is None:
            return None
        sp = pending.read_register(self.registers.sp_name)
        if int(sp) != self.innermost_sp:
            return None
        info = pending.create_unwind_info(FrameId(sp, sp))
        for name, value in self.registers.values.items():
            info.add_saved_register(name, value)
        return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


UNWINDER = FiberUnwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


def parked_backtrace(registers):
    """The text of the backtrace, numbered from 0."""
    gdb.newest_frame().select()
    sp = gdb.newest_frame().read_register(registers.sp_name)
    UNWINDER.innermost_sp = int(sp)
    UNWINDER.registers = registers
    gdb.invalidate_cached_frames()
    try:
        text = gdb.execute("backtrace", to_string=True)
    finally:
        UNWINDER.registers = None
        gdb.invalidate_cached_frames()
    # The first frame is the thread's own.
    _, _, rest = text.partition("\n#1 ")
    return re.sub(
        r"^#(\d+)( *)",
        lambda m: "#%-3d" % (int(m.group(1)) - 1),
        "#1 " + rest,
        flags=re.MULTILINE,
    )


class Eddy(gdb.Command):
    """Look into Eddy's fibers: eddy fibers, eddy bt N."""

    def __init__(self):
        super().__init__("eddy", gdb.COMMAND_STACK, prefix=True)


class EddyFibers(gdb.Command):
    """List every fiber: number, state, name, and where it was started."""

    def __init__(self):
        super().__init__("eddy fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        fibers = all_fibers()
        for number, fiber in enumerate(fibers, 1):
            gdb.write(
                "%3d  thread %d  %s (%s)  %s\n"
                % (
                    number,
                    fiber.thread.num,
                    fiber.text("name"),
                    fiber.text("place"),
                    fiber.doing(),
                )
            )
        if not fibers:
            gdb.write("no fibers\n")


class EddyBacktrace(gdb.Command):
    """The stack of a fiber: eddy bt NUMBER, as "eddy fibers" counts."""

    def __init__(self):
        super().__init__("eddy bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if not argument.strip().isdigit():
            raise gdb.GdbError("usage: eddy bt NUMBER")
        fibers = all_fibers()
        number = int(argument)
        if not 1 <= number <= len(fibers):
            raise gdb.GdbError("eddy: there are fibers 1 to %d" % len(fibers))
        fiber = fibers[number - 1]
        with SelectedThread():
            fiber.thread.switch()
            self.show(fiber)

    def show(self, fiber):
        if fiber.state == RUNNING:
            gdb.execute("backtrace")
            return
        registers = Registers(fiber.value["sp"])
        if registers.pc() == int(gdb.parse_and_eval("(long)&ed_switch_start")):
            gdb.write("it has not run yet\n")
            return
        gdb.write(parked_backtrace(registers))


Eddy()
EddyFibers()
EddyBacktrace()
