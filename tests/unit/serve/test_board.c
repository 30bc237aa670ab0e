/*
 * test_board.c - memory that a master and its workers share.
 */
#include "serve/board.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/clock.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "serve/snapshot.h"

static struct ed_board *board;
static int fd;

static int open_board(void **state)
{
    (void)state;
    board = ed_board_new(&fd);
    return board ? 0 : -1;
}

static int close_board(void **state)
{
    (void)state;
    ed_board_unmap(board);
    close(fd);
    return 0;
}

static uint64_t requests(void)
{
    struct ed_snapshot seen = {0};

    assert_int_equal(ed_snapshot_take(&seen, board), 0);
    uint64_t total = ed_counters_total(&seen.all);
    ed_snapshot_free(&seen);
    return total;
}

/* What a worker does: maps the board itself, and counts. */
static void work(size_t slot, int count)
{
    pid_t pid = fork();

    if (!pid) {
        struct ed_board *mine = ed_board_map(fd);
        if (!mine)
            _exit(1);
        atomic_store(&mine->slots[slot].pid, getpid());
        for (int i = 0; i < count; i++)
            ed_counters_request(&mine->slots[slot].counters, 200, ED_METHOD_GET,
                                ED_MS, 1);
        atomic_store(&mine->slots[slot].state, ED_SLOT_READY);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- slots ---- */

static void a_slot_is_taken_once_until_it_is_given_back(void **state)
{
    (void)state;
    struct ed_slot *first = ed_board_take(board);
    struct ed_slot *second = ed_board_take(board);
    assert_ptr_not_equal(first, second);
    assert_int_equal(first->state, ED_SLOT_STARTING);
    assert_int_equal(ed_slot_number(board, second), 1);
    ed_board_give(board, first);
    assert_int_equal(first->state, ED_SLOT_FREE);
    assert_ptr_equal(ed_board_take(board), first);
}

static void there_are_so_many_slots_and_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < ED_BOARD_SLOTS; i++)
        assert_non_null(ed_board_take(board));
    assert_null(ed_board_take(board));
}

static void a_slot_has_nothing_of_the_worker_before(void **state)
{
    (void)state;
    struct ed_slot *slot = ed_board_take(board);
    slot->open = 7;
    slot->beat = 99;
    slot->pid = 4711;
    ed_count(&slot->counters.shed, 3);
    ed_board_give(board, slot);
    assert_ptr_equal(ed_board_take(board), slot);
    assert_int_equal(slot->open, 0);
    assert_int_equal(slot->beat, 0);
    assert_int_equal(slot->pid, 0);
    assert_int_equal(slot->counters.shed, 0);
}

/* ---- what is counted ---- */

static void what_a_worker_writes_its_master_reads(void **state)
{
    (void)state;
    struct ed_slot *slot = ed_board_take(board);
    work(ed_slot_number(board, slot), 5);
    assert_int_equal(slot->state, ED_SLOT_READY);
    assert_int_equal(ed_counters_total(&slot->counters), 5);
}

static void counters_survive_a_worker(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++) {
        struct ed_slot *slot = ed_board_take(board);
        work(ed_slot_number(board, slot), 10);
        assert_int_equal(requests(), 10 * i);
        ed_board_give(board, slot);
        assert_int_equal(requests(), 10 * i);
    }
    assert_int_equal(ed_counters_total(&board->retired), 30);
}

enum { MOVES = 3000 };

static void *come_and_go(void *arg)
{
    for (int i = 0; i < MOVES; i++) {
        struct ed_slot *slot = ed_board_take(arg);
        atomic_store(&slot->pid, 1);
        ed_counters_request(&slot->counters, 200, ED_METHOD_GET, ED_MS, 1);
        ed_board_give(arg, slot);
    }
    return NULL;
}

/* Whoever draws rates takes a counter that falls for one that began anew, and
 * so all that it has counted for new. */
static void a_sum_never_falls_while_workers_come_and_go(void **state)
{
    pthread_t master;
    uint64_t seen = 0;

    (void)state;
    assert_int_equal(pthread_create(&master, NULL, come_and_go, board), 0);
    while (seen < MOVES) {
        uint64_t now = requests();
        if (now < seen)
            break;
        seen = now;
    }
    pthread_join(master, NULL);
    assert_int_equal(seen, MOVES);
}

/* It was killed in the middle of giving a slot back. */
static void a_master_that_died_on_its_way_does_not_stop_who_looks(void **state)
{
    (void)state;
    struct ed_slot *slot = ed_board_take(board);
    atomic_store(&slot->pid, 1);
    ed_counters_request(&slot->counters, 200, ED_METHOD_GET, ED_MS, 1);
    atomic_store(&board->moving, 1);
    assert_int_equal(requests(), 1);
}

/* ---- its memory ---- */

static void nobody_can_cut_it_off_under_the_others(void **state)
{
    (void)state;
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
}

static void a_board_of_another_size_is_of_another_version(void **state)
{
    (void)state;
    int other = memfd_create("other", MFD_CLOEXEC);
    assert_int_equal(ftruncate(other, sizeof(struct ed_board) - 8), 0);
    assert_null(ed_board_map(other));
    assert_int_equal(errno, EPROTO);
    close(other);
}

static void a_board_of_another_layout_is_of_another_version(void **state)
{
    (void)state;
    board->magic++;
    assert_null(ed_board_map(fd));
    assert_int_equal(errno, EPROTO);
}

/* A worker that crashes, or was taken over, may have written anything there. */
static void whoever_looks_bears_what_a_worker_wrote(void **state)
{
    struct ed_snapshot seen = {0};
    struct ed_slot *slot = ed_board_take(board);

    (void)state;
    memset((void *)slot, 0x5a, sizeof *slot);
    assert_int_equal(ed_snapshot_take(&seen, board), 0);
    assert_int_equal(seen.count, 0); /* it is in no state that there is */
    assert_non_null(ed_board_unready(board));
    atomic_store(&slot->state, ED_SLOT_READY);
    assert_int_equal(ed_snapshot_take(&seen, board), 0);
    assert_int_equal(seen.count, 1);
    assert_string_equal(ed_slot_state_name(seen.workers[0].state), "ready");
    ed_snapshot_free(&seen);
}

static void what_is_no_memory_is_no_board(void **state)
{
    (void)state;
    assert_null(ed_board_map(-1));
    assert_int_equal(errno, EBADF);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, open_board, close_board)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_slot_is_taken_once_until_it_is_given_back),
        TEST(there_are_so_many_slots_and_no_more),
        TEST(a_slot_has_nothing_of_the_worker_before),
        TEST(what_a_worker_writes_its_master_reads),
        TEST(counters_survive_a_worker),
        TEST(a_sum_never_falls_while_workers_come_and_go),
        TEST(a_master_that_died_on_its_way_does_not_stop_who_looks),
        TEST(nobody_can_cut_it_off_under_the_others),
        TEST(a_board_of_another_size_is_of_another_version),
        TEST(a_board_of_another_layout_is_of_another_version),
        TEST(whoever_looks_bears_what_a_worker_wrote),
        TEST(what_is_no_memory_is_no_board),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
