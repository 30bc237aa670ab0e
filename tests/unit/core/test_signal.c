/* Signals on the loop. */
#include "outside.h"

#include <eddy/signal.h>
#include <signal.h>

static bool blocked(int signo)
{
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return sigismember(&mask, signo) == 1;
}

FIBER_TEST(a_signal_sent_to_the_process_arrives)
{
    ed_signals *s ED_SIGNALS_AUTO = NULL;
    int signo = 0;

    check_int(ed_signals_open(&s, SIGTERM, SIGUSR1), 0);
    kill(getpid(), SIGUSR1);
    check_int(ed_signals_next(s, &signo), 0);
    check_int(signo, SIGUSR1);
    kill(getpid(), SIGTERM);
    check_int(ed_signals_next(s, &signo), 0);
    check_int(signo, SIGTERM);
}

static int send_soon(void *arg)
{
    (void)arg;
    ed_sleep(ED_S);
    kill(getpid(), SIGUSR1);
    return 0;
}

FIBER_TEST(waiting_lets_others_run)
{
    ed_signals *signals ED_SIGNALS_AUTO = NULL;
    int signo = 0;
    ed_scope(s);

    check_int(ed_signals_open(&signals, SIGUSR1), 0);
    ed_go(s, send_soon, NULL);
    check_int(ed_signals_next(signals, &signo), 0);
    check_int(signo, SIGUSR1);
}

FIBER_TEST(waiting_ends_at_the_deadline)
{
    ed_signals *signals ED_SIGNALS_AUTO = NULL;
    int signo;
    ed_scope(s, .within = ED_S);

    check_int(ed_signals_open(&signals, SIGUSR1), 0);
    check_int(ed_signals_next(signals, &signo), ED_ETIMEOUT);
    (void)s;
}

FIBER_TEST(closing_restores_the_mask)
{
    sigset_t hup;
    int before = held_descriptors();
    ed_signals *s;

    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &hup, NULL);
    check_int(ed_signals_open(&s, SIGTERM, SIGHUP), 0);
    check(blocked(SIGTERM));
    ed_signals_close(s);
    check(!blocked(SIGTERM));
    check(blocked(SIGHUP)); /* as it was */
    pthread_sigmask(SIG_UNBLOCK, &hup, NULL);
    check_int(held_descriptors(), before);
}

FIBER_TEST(a_signal_nobody_asked_for_does_not_strike_when_closing)
{
    ed_signals *s;

    check_int(ed_signals_open(&s, SIGTERM), 0);
    kill(getpid(), SIGTERM);
    ed_signals_close(s);
}

FIBER_TEST(a_signal_has_one_receiver)
{
    ed_signals *first;
    ed_signals *second;

    check_int(ed_signals_open(&first, SIGTERM, SIGINT), 0);
    check_int(ed_signals_open(&second, SIGUSR1, SIGINT), -EBUSY);
    ed_signals_close(first);
    check_int(ed_signals_open(&second, SIGUSR1, SIGINT), 0);
    ed_signals_close(second);
}

FIBER_TEST(signals_that_cannot_be_received_are_refused)
{
    ed_signals *s;

    check_int(ed_signals_open(&s, SIGKILL), -EINVAL);
    check_int(ed_signals_open(&s, SIGSEGV), -EINVAL);
    check_int(ed_signals_open(&s, 4711), -EINVAL);
    check_int(ed_signals_open(&s, -1), -EINVAL);
    check(!blocked(SIGSEGV));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_sent_to_the_process_arrives),
        cmocka_unit_test(waiting_lets_others_run),
        cmocka_unit_test(waiting_ends_at_the_deadline),
        cmocka_unit_test(closing_restores_the_mask),
        cmocka_unit_test(
            a_signal_nobody_asked_for_does_not_strike_when_closing),
        cmocka_unit_test(a_signal_has_one_receiver),
        cmocka_unit_test(signals_that_cannot_be_received_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
