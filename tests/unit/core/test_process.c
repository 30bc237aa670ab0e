/* Subprocesses. */
#include "outside.h"

#include <fcntl.h>
#include <signal.h>
#include <eddy/process.h>

/* ---- commands ---- */

REAL_TEST(a_command_gives_what_it_said)
{
    struct ed_output o;

    check_int(ed_command(&o, ED_SHELL("echo out; echo err >&2")), 0);
    check_text(o.out.ptr, "out\n");
    check_text(o.err.ptr, "err\n");
    check_int((long long)o.out.len, 4);
    check_int(o.exit_code, 0);
}

REAL_TEST(a_command_is_fed_its_input)
{
    struct ed_output o;

    check_int(
        ed_command(&o, ED_ARGV("tr", "a-z", "A-Z"), .input = ED_BYTES("hello")),
        0);
    check_text(o.out.ptr, "HELLO");
}

REAL_TEST(a_command_without_input_reads_nothing)
{
    struct ed_output o;

    check_int(ed_command(&o, ED_ARGV("cat")), 0);
    check_int((long long)o.out.len, 0);
}

REAL_TEST(more_than_a_pipe_holds_goes_both_ways)
{
    static char much[300 * 1024];
    struct ed_output o;

    memset(much, 'x', sizeof much);
    check_int(
        ed_command(&o, ED_ARGV("cat"), .input = ed_bytes_of(much, sizeof much)),
        0);
    check(ed_bytes_equal(o.out, ed_bytes_of(much, sizeof much)));
}

REAL_TEST(a_command_need_not_read_its_input)
{
    static char much[300 * 1024];
    struct ed_output o;

    check_int(ed_command(&o, ED_ARGV("true"),
                         .input = ed_bytes_of(much, sizeof much)),
              0);
}

REAL_TEST(a_failed_command_says_how_and_why)
{
    struct ed_output o;

    check_int(ed_command(&o, ED_SHELL("echo first >&2; echo no disk >&2;"
                                      "echo so far; exit 3")),
              ED_EEXIT);
    check_text(ed_error(), "sh: exit status 3: no disk");
    check_int(o.exit_code, 3);
    check_text(o.out.ptr, "so far\n");
}

REAL_TEST(a_command_ended_by_a_signal_says_which)
{
    struct ed_output o;

    check_int(ed_command(&o, ED_SHELL("kill -9 $$")), ED_EEXIT);
    check_text(ed_error(), "sh: killed by signal 9 (Killed)");
    check_int(o.exit_code, -1);
    check_int(o.exit_signal, SIGKILL);
}

REAL_TEST(a_command_that_says_too_much_is_ended)
{
    struct ed_output o;

    check_int(ed_command(&o, ED_ARGV("yes"), .limit = 1000), ED_ELIMIT);
    check_text(ed_error(), "more than 1000 bytes of output");
    check_int((long long)o.out.len, 1000);
    check(!held_children());
}

REAL_TEST(a_command_that_takes_too_long_is_ended)
{
    struct ed_output o;
    ed_scope(s, .within = 20 * ED_MS);

    check_int(ed_command(&o, ED_ARGV("sleep", "60")), ED_ETIMEOUT);
    check(!held_children());
    check_int(ed_wait(s), ED_ETIMEOUT);
}

REAL_TEST(merged_output_keeps_its_order)
{
    struct ed_output o;

    check_int(
        ed_command(&o, ED_SHELL("echo 1; echo 2 >&2; echo 3"), .merge = true),
        0);
    check_text(o.out.ptr, "1\n2\n3\n");
}

REAL_TEST(environment_and_directory_are_as_told)
{
    const char *const env[] = {"COLOUR=red", NULL};
    struct ed_output o;

    check_int(ed_command(&o, ED_SHELL("echo $COLOUR $HOME; pwd"), .env = env,
                         .dir = "/usr"),
              0);
    check_text(o.out.ptr, "red\n/usr\n");
}

REAL_TEST(a_program_that_does_not_exist_is_named)
{
    struct ed_output o;
    int before = held_descriptors();

    check_int(ed_command(&o, ED_ARGV("no-such-program")), -ENOENT);
    says(ed_error(), "no-such-program: No such file or directory");
    check_int(ed_command(&o, ED_ARGV("true"), .dir = "/no/such"), -ENOENT);
    says(ed_error(), "true in /no/such");
    check_int(held_descriptors(), before);
    check(!held_children());
}

REAL_TEST(many_commands_run_at_once_and_leave_nothing)
{
    int before = held_descriptors();
    {
        ed_scope(s);
        for (int i = 0; i < 20; i++) {
            static struct ed_process p[20];
            check_int(ed_process_start(&p[i], s, ED_ARGV("true")), 0);
        }
        check_int(ed_wait(s), 0);
    }
    check_int(held_descriptors(), before);
    check(!held_children());
}

/* ---- processes ---- */

REAL_TEST(a_process_is_waited_for)
{
    struct ed_process p;
    ed_scope(s);

    check_int(ed_process_start(&p, s, ED_SHELL("exit 4")), 0);
    check(ed_process_running(&p));
    check_int(ed_process_wait(&p), ED_EEXIT);
    check(!ed_process_running(&p));
    check_int(p.exit_code, 4);
    check_int(ed_process_wait(&p), ED_EEXIT);
    check_int(ed_process_signal(&p, SIGTERM), -ESRCH);
    check_int(ed_wait(s), 0);
}

REAL_TEST(leaving_the_scope_ends_the_process)
{
    struct ed_process p;
    int before = held_descriptors();
    {
        ed_scope(s);
        check_int(ed_process_start(&p, s, ED_ARGV("sleep", "60")), 0);
    }
    check(!ed_process_running(&p));
    check_int(p.exit_signal, SIGTERM);
    check(!held_children());
    check_int(held_descriptors(), before);
}

/* Waits until the program has said that its trap is set. */
static void await_ready(struct ed_process *p)
{
    char c = 0;

    fcntl(p->out, F_SETFL, 0);
    check_int(read(p->out, &c, 1), 1);
}

REAL_TEST(a_process_that_does_not_listen_is_killed)
{
    struct ed_process p;
    {
        ed_scope(s);
        check_int(
            ed_process_start(
                &p, s,
                ED_SHELL("trap '' TERM; echo; while :; do sleep 60; done"),
                .out = ED_TO_PIPE, .group = true, .grace = 20 * ED_MS),
            0);
        await_ready(&p);
    }
    check_int(p.exit_signal, SIGKILL);
    ed_process_close(&p);
    check(!held_children());
}

REAL_TEST(stopping_asks_first)
{
    struct ed_process p;
    ed_scope(s);

    check_int(ed_process_start(&p, s,
                               ED_SHELL("trap 'exit 5' TERM; echo;"
                                        "while :; do sleep 0.01; done"),
                               .out = ED_TO_PIPE),
              0);
    await_ready(&p);
    check_int(ed_process_stop(&p, 10 * ED_S), ED_EEXIT);
    check_int(p.exit_code, 5);
    ed_process_close(&p);
}

REAL_TEST(stopping_without_grace_kills)
{
    struct ed_process p;
    ed_scope(s);

    check_int(ed_process_start(&p, s, ED_ARGV("sleep", "60")), 0);
    check_int(ed_process_stop(&p, 0), ED_EEXIT);
    check_int(p.exit_signal, SIGKILL);
}

/* The grandchild, which does not listen, holds the pipe; its end shows that it
 * is gone. */
REAL_TEST(a_group_goes_down_with_its_leader)
{
    struct ed_process p;
    char c;
    {
        ed_scope(s);
        check_int(
            ed_process_start(&p, s,
                             ED_SHELL("(trap '' TERM; echo; exec sleep 60) &"
                                      "wait"),
                             .out = ED_TO_PIPE, .group = true),
            0);
        await_ready(&p);
    }
    check_int(p.exit_signal, SIGTERM);
    check_int(read(p.out, &c, 1), 0);
    ed_process_close(&p);
}

REAL_TEST(a_program_starts_with_fresh_signals)
{
    struct ed_output o;
    sigset_t usr1, before;

    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &before);
    signal(SIGPIPE, SIG_IGN);
    check_int(ed_command(&o, ED_SHELL("grep -E '^Sig(Blk|Ign)' "
                                      "/proc/self/status")),
              0);
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    says(o.out.ptr, "SigBlk:\t0000000000000000\n");
    says(o.out.ptr, "SigIgn:\t0000000000000000\n");
}

REAL_TEST(a_program_inherits_no_other_descriptor)
{
    struct ed_output o;
    int leaky = fcntl(2, F_DUPFD, 77);

    check_int(ed_command(&o, ED_SHELL("test -e /proc/$$/fd/77")), ED_EEXIT);
    check_int(o.exit_code, 1);
    close(leaky);
}

REAL_TEST(output_goes_to_files_and_is_added_to_them)
{
    char path[] = "/tmp/eddy-process-XXXXXX";
    struct ed_process p;
    char text[64] = "";
    int copy = memfd_create("copy", MFD_CLOEXEC);
    ed_scope(s);

    close(mkstemp(path));
    check_int(ed_process_start(&p, s, ED_ARGV("echo", "one"),
                               .out = ED_TO_FILE(path)),
              0);
    check_int(ed_process_wait(&p), 0);
    check_int(ed_process_start(&p, s, ED_ARGV("echo", "two"),
                               .out = ED_APPEND_FILE(path)),
              0);
    check_int(ed_process_wait(&p), 0);
    check_int(ed_process_start(&p, s, ED_SHELL("cat; echo three >&2"),
                               .in = ED_FROM_FILE(path), .out = ED_TO_FD(copy),
                               .err = ED_TO_STDOUT),
              0);
    check_int(ed_process_wait(&p), 0);
    check(pread(copy, text, sizeof text - 1, 0) > 0);
    check_text(text, "one\ntwo\nthree\n");
    close(copy);
    unlink(path);
}

/* What a descriptor of this process is while a test changes it. */
static void exchange(int fd, int *saved, int other)
{
    *saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    dup2(other, fd);
}

static void check_content(int fd, const char *want)
{
    char text[32] = "";

    check(pread(fd, text, sizeof text - 1, 0) >= 0);
    check_text(text, want);
    close(fd);
}

REAL_TEST(the_standard_descriptors_can_be_crossed)
{
    int a = memfd_create("a", MFD_CLOEXEC);
    int b = memfd_create("b", MFD_CLOEXEC);
    int saved[2];
    struct ed_process p;
    ed_scope(s);

    exchange(1, &saved[0], a);
    exchange(2, &saved[1], b);
    int err = ed_process_start(&p, s, ED_SHELL("echo out; echo err >&2"),
                               .out = ED_TO_FD(2), .err = ED_TO_FD(1));
    dup2(saved[0], 1);
    dup2(saved[1], 2);
    close(saved[0]);
    close(saved[1]);
    check_int(err, 0);
    check_int(ed_process_wait(&p), 0);
    check_content(a, "err\n");
    check_content(b, "out\n");
}

REAL_TEST(it_works_when_the_standard_descriptors_are_closed)
{
    struct ed_output o;
    int saved = fcntl(0, F_DUPFD_CLOEXEC, 3);

    close(0);
    check_int(ed_command(&o, ED_ARGV("cat"), .input = ED_BYTES("in")), 0);
    check_text(o.out.ptr, "in");
    dup2(saved, 0);
    close(saved);
}

REAL_TEST(a_death_signal_is_set)
{
    struct ed_process p;
    ed_scope(s);

    check_int(ed_process_start(&p, s, ED_ARGV("sleep", "60"),
                               .death_signal = SIGKILL),
              0);
    check_int(ed_process_stop(&p, ED_S), ED_EEXIT);
}

REAL_TEST(no_argument_is_refused)
{
    const char *const nothing[] = {NULL};
    struct ed_process p;
    ed_scope(s);

    check_int(ed_process_start(&p, s, nothing), ED_EUSAGE);
}

REAL_TEST(a_cancelled_scope_starts_no_process)
{
    struct ed_process p;
    ed_scope(s);

    ed_cancel(s);
    check_int(ed_process_start(&p, s, ED_ARGV("sleep", "60")), ED_ECANCELED);
    check(!held_children());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_gives_what_it_said),
        cmocka_unit_test(a_command_is_fed_its_input),
        cmocka_unit_test(a_command_without_input_reads_nothing),
        cmocka_unit_test(more_than_a_pipe_holds_goes_both_ways),
        cmocka_unit_test(a_command_need_not_read_its_input),
        cmocka_unit_test(a_failed_command_says_how_and_why),
        cmocka_unit_test(a_command_ended_by_a_signal_says_which),
        cmocka_unit_test(a_command_that_says_too_much_is_ended),
        cmocka_unit_test(a_command_that_takes_too_long_is_ended),
        cmocka_unit_test(merged_output_keeps_its_order),
        cmocka_unit_test(environment_and_directory_are_as_told),
        cmocka_unit_test(a_program_that_does_not_exist_is_named),
        cmocka_unit_test(many_commands_run_at_once_and_leave_nothing),
        cmocka_unit_test(a_process_is_waited_for),
        cmocka_unit_test(leaving_the_scope_ends_the_process),
        cmocka_unit_test(a_process_that_does_not_listen_is_killed),
        cmocka_unit_test(stopping_asks_first),
        cmocka_unit_test(stopping_without_grace_kills),
        cmocka_unit_test(a_group_goes_down_with_its_leader),
        cmocka_unit_test(a_program_starts_with_fresh_signals),
        cmocka_unit_test(a_program_inherits_no_other_descriptor),
        cmocka_unit_test(output_goes_to_files_and_is_added_to_them),
        cmocka_unit_test(the_standard_descriptors_can_be_crossed),
        cmocka_unit_test(it_works_when_the_standard_descriptors_are_closed),
        cmocka_unit_test(a_death_signal_is_set),
        cmocka_unit_test(no_argument_is_refused),
        cmocka_unit_test(a_cancelled_scope_starts_no_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
