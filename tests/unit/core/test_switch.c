/* The switch between stacks: registers, alignment, arguments, depth. Includes
 * nothing of the library but switch.h, so that it runs on processors for which
 * only the switch was built. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/switch.h"

#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

/* For entries that only ever leave. */
#define NEVER __attribute__((noreturn))

enum { STACK_BYTES = 64 * 1024 };

struct side {
    void *sp;
    void *main_sp;
    char *stack;
    long count;
    uintptr_t frame;
    double sum;
};

static void back(struct side *side)
{
    ed_switch(&side->sp, side->main_sp);
}

static void go(struct side *side)
{
    ed_switch(&side->main_sp, side->sp);
}

static void open_side(struct side *side,
                      struct ed_switch_home (*entry)(void *arg))
{
    memset(side, 0, sizeof *side);
    side->stack = malloc(STACK_BYTES);
    assert_non_null(side->stack);
    side->sp = ed_switch_prepare(side->stack + STACK_BYTES, entry, side);
}

static void close_side(struct side *side)
{
    free(side->stack);
}

NEVER static struct ed_switch_home count_up(void *arg)
{
    struct side *side = arg;
    for (;;) {
        side->count++;
        back(side);
    }
}

static void a_stack_goes_on_where_it_was_left(void **state)
{
    (void)state;
    struct side side;
    open_side(&side, count_up);
    for (long i = 1; i <= 1000; i++) {
        go(&side);
        assert_int_equal(side.count, i);
    }
    close_side(&side);
}

NEVER static struct ed_switch_home note_frame(void *arg)
{
    struct side *side = arg;
    /* Not a local variable: ASan may keep those on a stack of its own. */
    side->frame = (uintptr_t)__builtin_frame_address(0);
    for (;;)
        back(side);
}

static void a_new_stack_is_used_and_aligned(void **state)
{
    (void)state;
    struct side side;
    open_side(&side, note_frame);
    go(&side);
    assert_int_equal(side.frame % 16, 0);
    assert_true(side.frame > (uintptr_t)side.stack);
    assert_true(side.frame < (uintptr_t)side.stack + STACK_BYTES);
    close_side(&side);
}

static void an_unaligned_top_is_aligned(void **state)
{
    (void)state;
    struct side side;
    open_side(&side, note_frame);
    side.sp =
        ed_switch_prepare(side.stack + STACK_BYTES - 5, note_frame, &side);
    go(&side);
    assert_int_equal(side.frame % 16, 0);
    close_side(&side);
}

/* Many values live across a switch fill the registers that must survive it. */
NEVER static struct ed_switch_home mix(void *arg)
{
    struct side *side = arg;
    for (;;) {
        volatile long start = side->count;
        long a = start + 1, b = start + 2, c = start + 3, d = start + 4,
             e = start + 5, f = start + 6, g = start + 7, h = start + 8;
        double x = (double)start / 2, y = (double)start / 4;
        back(side);
        side->count = a + b + c + d + e + f + g + h;
        side->sum = x + y;
        back(side);
    }
}

static void values_survive_a_switch(void **state)
{
    (void)state;
    struct side one, two;
    open_side(&one, mix);
    open_side(&two, mix);
    for (volatile long i = 0; i < 100; i++) {
        long a = i * 3, b = i * 5, c = i * 7, d = i * 11, e = i * 13;
        double x = (double)i * 1.5, y = (double)i * 2.5;
        one.count = i;
        two.count = 1000 + i;
        go(&one);
        go(&two);
        go(&one);
        go(&two);
        assert_int_equal(one.count, 8 * i + 36);
        assert_int_equal(two.count, 8 * (1000 + i) + 36);
        assert_true(one.sum == (double)i * 0.75);
        assert_true(two.sum == (double)(1000 + i) * 0.75);
        assert_int_equal(a + b + c + d + e, i * 39);
        assert_true(x + y == (double)i * 4);
    }
    close_side(&one);
    close_side(&two);
}

static long descend(struct side *side, long depth)
{
    volatile char room[64];
    room[0] = (char)depth;
    if (depth == 0) {
        back(side);
        return 0;
    }
    return descend(side, depth - 1) + 1 + (room[0] - (char)depth);
}

NEVER static struct ed_switch_home go_deep(void *arg)
{
    struct side *side = arg;
    side->count = descend(side, 100);
    for (;;)
        back(side);
}

static void a_stack_left_in_a_deep_call_returns_from_it(void **state)
{
    (void)state;
    struct side side;
    open_side(&side, go_deep);
    go(&side);
    assert_int_equal(side.count, 0);
    go(&side);
    assert_int_equal(side.count, 100);
    close_side(&side);
}

static struct ed_switch_home count_one(void *arg)
{
    struct side *side = arg;
    side->count++;
    return (struct ed_switch_home){&side->sp, side->main_sp};
}

static struct ed_switch_home count_with_a_break(void *arg)
{
    struct side *side = arg;
    back(side);
    return count_one(arg);
}

static void an_entry_that_returned_is_called_again(void **state)
{
    (void)state;
    struct side side;
    open_side(&side, count_one);
    for (long i = 1; i <= 1000; i++) {
        long a = i * 3, b = i * 5, c = i * 7, d = i * 11, e = i * 13;
        go(&side);
        assert_int_equal(side.count, i);
        assert_int_equal(a + b + c + d + e, i * 39);
    }
    close_side(&side);
}

static void an_entry_may_leave_before_it_returns(void **state)
{
    (void)state;
    struct side side;
    open_side(&side, count_with_a_break);
    for (long i = 0; i < 100; i++) {
        go(&side);
        assert_int_equal(side.count, i);
        go(&side);
        assert_int_equal(side.count, i + 1);
    }
    close_side(&side);
}

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(EDDY_UCONTEXT)
/* ---- what a profiler, a debugger and the loop's monitor see ---- */

/* A signal may come at any instruction, and who unwinds the stack in its
 * handler reads what the tables say of that instruction: were they wrong, he
 * would read memory that is not there. */
static struct {
    uintptr_t home;   /* where the one call of ed_switch() below returns to */
    unsigned steps;   /* inside ed_switch() */
    unsigned whole;   /* of which the caller was found */
    unsigned crossed; /* of those behind the first: 2 is there and back */
} stepped;

enum { TRAP_FLAG = 0x100 };

static void on_step(int signo, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    uintptr_t at = (uintptr_t)regs[REG_RIP];
    void *frames[16];

    (void)signo, (void)info;
    if (at == stepped.home && ++stepped.crossed == 2) {
        regs[REG_EFL] &= ~TRAP_FLAG;
        return;
    }
    if (at == (uintptr_t)ed_switch)
        stepped.home = *(uintptr_t *)regs[REG_RSP];
    if (at < (uintptr_t)ed_switch || at > (uintptr_t)ed_switch + 64)
        return;
    stepped.steps++;
    int count = backtrace(frames, 16);
    for (int i = 0; i < count - 1; i++)
        stepped.whole += (uintptr_t)frames[i] == at &&
                         (uintptr_t)frames[i + 1] == stepped.home;
}

__attribute__((noinline, noclone)) static void leave(void **save, void *to)
{
    ed_switch(save, to);
}

NEVER static struct ed_switch_home leave_always(void *arg)
{
    struct side *side = arg;
    for (;;)
        leave(&side->sp, side->main_sp);
}

static void its_caller_is_found_from_every_instruction(void **state)
{
    (void)state;
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    struct sigaction former;
    struct side side;
    void *frame;
    (void)backtrace(&frame, 1); /* loads the unwinder */
    open_side(&side, leave_always);
    leave(&side.main_sp, side.sp);
    assert_int_equal(sigaction(SIGTRAP, &action, &former), 0);
    __asm__ volatile("subq $128, %%rsp\n\t" /* below lies the red zone */
                     "pushfq\n\t"
                     "orq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "addq $128, %%rsp"
                     :
                     : "i"(TRAP_FLAG)
                     : "memory", "cc");
    leave(&side.main_sp, side.sp);
    sigaction(SIGTRAP, &former, NULL);
    assert_int_equal(stepped.crossed, 2);
    assert_true(stepped.steps >= 2 * 16); /* six saved, six taken back */
    assert_int_equal(stepped.whole, stepped.steps);
    close_side(&side);
}
#define STEPPED cmocka_unit_test(its_caller_is_found_from_every_instruction),
#else
#define STEPPED
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stack_goes_on_where_it_was_left),
        cmocka_unit_test(a_new_stack_is_used_and_aligned),
        cmocka_unit_test(an_unaligned_top_is_aligned),
        cmocka_unit_test(values_survive_a_switch),
        cmocka_unit_test(a_stack_left_in_a_deep_call_returns_from_it),
        cmocka_unit_test(an_entry_that_returned_is_called_again),
        cmocka_unit_test(an_entry_may_leave_before_it_returns),
        STEPPED};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
