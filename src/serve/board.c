/*
 * board.c - memory that the processes of a server share.
 */
#include "serve/board.h"

#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Changes with each change of the layout that its size does not tell. */
static const uint64_t LAYOUT = 0xedd7b0a2d0005;

_Static_assert(sizeof(struct ed_slot) % sizeof(uint64_t) == 0,
               "it is cleared by words");

static uint64_t magic(void)
{
    return LAYOUT << 24 ^ sizeof(struct ed_board);
}

static struct ed_board *map(int fd)
{
    void *at = mmap(NULL, sizeof(struct ed_board), PROT_READ | PROT_WRITE,
                    MAP_SHARED, fd, 0);

    return at == MAP_FAILED ? NULL : at;
}

struct ed_board *ed_board_new(int *fd)
{
    *fd = memfd_create("eddy-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0)
        return NULL;
    struct ed_board *board = NULL;
    /* Nobody shall be able to cut it off under the others. */
    if (!ftruncate(*fd, sizeof *board) && !fchmod(*fd, S_IRUSR | S_IWUSR) &&
        !fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        board = map(*fd);
    if (!board) {
        int saved = errno;
        close(*fd);
        *fd = -1;
        errno = saved;
        return NULL;
    }
    board->magic = magic();
    return board;
}

struct ed_board *ed_board_map(int fd)
{
    struct stat st;

    if (fstat(fd, &st))
        return NULL;
    if (st.st_size != (off_t)sizeof(struct ed_board)) {
        errno = EPROTO;
        return NULL;
    }
    struct ed_board *board = map(fd);
    if (board && board->magic != magic()) {
        ed_board_unmap(board);
        errno = EPROTO;
        return NULL;
    }
    return board;
}

void ed_board_unmap(struct ed_board *board)
{
    if (board)
        munmap(board, sizeof *board);
}

/* By words, since it may be looked at meanwhile. */
static void clear(struct ed_slot *slot)
{
    typedef _Atomic uint64_t __attribute__((may_alias)) word;
    word *words = (word *)slot;

    for (size_t i = 0; i < sizeof *slot / sizeof *words; i++)
        atomic_store_explicit(&words[i], 0, memory_order_relaxed);
}

struct ed_slot *ed_board_take(struct ed_board *board)
{
    for (size_t i = 0; i < ED_BOARD_SLOTS; i++) {
        struct ed_slot *slot = &board->slots[i];
        if (atomic_load(&slot->state) != ED_SLOT_FREE)
            continue;
        clear(slot); /* of a worker that is gone */
        atomic_store(&slot->state, ED_SLOT_STARTING);
        return slot;
    }
    return NULL;
}

void ed_board_give(struct ed_board *board, struct ed_slot *slot)
{
    atomic_fetch_add(&board->moving, 1);
    ed_counters_add(&board->retired, &slot->counters);
    ed_count(&board->retired_cpu, (uint64_t)atomic_exchange(&slot->cpu, 0));
    ed_counters_clear(&slot->counters);
    atomic_fetch_add(&board->moving, 1);
    atomic_store(&slot->state, ED_SLOT_FREE);
}

/* ---- looking ---- */

/* A master that dies between the two steps of ed_board_give() leaves the board
 * as it is; the sum is right but for that worker. */
enum { LOOKS = 1000 };

void ed_board_look(const struct ed_board *board,
                   void (*fn)(const struct ed_board *board, void *arg),
                   void *arg)
{
    for (int i = 0; i < LOOKS; i++) {
        uint32_t before = atomic_load(&board->moving);
        fn(board, arg);
        atomic_thread_fence(memory_order_acquire);
        if (!(before & 1) && atomic_load(&board->moving) == before)
            return;
    }
}

/* ---- reloads ---- */

void ed_board_end_reload(struct ed_board *board, uint64_t number,
                         enum ed_reload_end how)
{
    if (how == ED_RELOAD_DONE)
        ed_count(&board->reloads, 1);
    else if (how != ED_RELOAD_CUT)
        ed_count(&board->reloads_failed, 1);
    atomic_store(&board->reload_end, number * ED_RELOAD_ENDS + how);
}

uint64_t ed_board_reload(const struct ed_board *board, enum ed_reload_end *how)
{
    uint64_t end = atomic_load(&board->reload_end);

    *how = (enum ed_reload_end)(end % ED_RELOAD_ENDS);
    return end / ED_RELOAD_ENDS;
}

const char *ed_board_reload_text(enum ed_reload_end how)
{
    static const char *const texts[ED_RELOAD_ENDS] = {
        [ED_RELOAD_BAD_SETTINGS] =
            "the settings cannot be used; all stays as it was",
        [ED_RELOAD_BAD_WORKER] = "a new worker cannot start; the old ones stay",
        [ED_RELOAD_CUT] = "the workers were told to go meanwhile",
    };

    return texts[how];
}

/* ---- how much is logged ---- */

void ed_board_keep_level(struct ed_board *board)
{
    int level = ED_LOG_DEBUG;

    while (level < ED_LOG_OFF && !ed_log_enabled((enum ed_log_level)level))
        level++;
    atomic_store(&board->log_level, level + 1);
}

void ed_board_use_level(const struct ed_board *board)
{
    int kept = atomic_load(&board->log_level);

    if (kept)
        ed_log_set_level((enum ed_log_level)(kept - 1));
}
