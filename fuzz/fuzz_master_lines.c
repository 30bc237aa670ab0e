/*
 * fuzz_master_lines.c - what the admin process, and a worker, say to their
 * master, who has more to lose than they: each line of the admin's has one
 * answer, whatever it is and however it arrives, and a worker's has none.
 *
 * The master is ending, so that it starts no processes and reads no files; its
 * workers are none either. The first byte says how long the pieces are.
 */
#include "check.h"
#include "serve/master_internal.h"

#include <eddy/clock.h>
#include <eddy/log.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 2, PIECE_MAX = 100 };

static struct ed_settings settings;
static struct ed_board *board;

static struct run {
    struct ed_master master;
    struct ed_worker_child worker; /* the first member's */
    int admin_end, worker_end;     /* theirs */
    pid_t pids;
    unsigned answers;
} run;

/* ---- workers that are no processes ---- */

static int spawn(struct ed_member *member)
{
    member->pid = ++run.pids;
    if (member->pid == 1)
        member->process = &run.worker;
    return 0;
}

static void ignore(struct ed_member *member)
{
    (void)member;
}

static void rolled_out(struct ed_crew *crew, enum ed_rollout how)
{
    (void)crew, (void)how;
}

static const struct ed_crew_ops ops = {
    .spawn = spawn,
    .drain = ignore,
    .quit = ignore,
    .kill = ignore,
    .forget = ignore,
    .rolled_out = rolled_out,
};

static void open_line(struct ed_child *child, int *end)
{
    int ends[2];

    CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
    child->control = ends[0];
    *end = ends[1];
}

static void open_master(void)
{
    struct ed_master *m = &run.master;
    int fd;

    if (!board) {
        board = ed_board_new(&fd);
        CHECK(board);
        close(fd);
        ed_log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    }
    ed_log_set_level(ED_LOG_OFF);
    run = (struct run){0};
    m->settings = &settings;
    m->board = board;
    m->ending = true;
    ed_crew_init(&m->crew, &ops, m);
    m->crew.wanted = WORKERS;
    open_line(&m->admin_child, &run.admin_end);
    open_line(&run.worker.child, &run.worker_end);
    CHECK(ed_crew_roll_out(&m->crew, false, ed_clock_monotonic()));
}

static struct ed_member *any_member(const struct ed_crew *crew)
{
    ed_list_each (node, &crew->members)
        return ed_member_at(node);
    return NULL;
}

static void close_master(void)
{
    struct ed_master *m = &run.master;
    struct ed_member *member;
    int64_t now = ed_clock_monotonic();

    ed_crew_quit(&m->crew, now);
    while ((member = any_member(&m->crew)))
        ed_member_gone(member, ED_MEMBER_LEFT, now);
    ed_child_forget(&m->admin_child);
    ed_child_forget(&run.worker.child);
    close(run.admin_end);
    close(run.worker_end);
}

/* ---- what is said ---- */

/* An answer is "ok", with a text or not, or "error" with one; and "reopen" is
 * what the admin is to do. */
static void check_line(struct ed_bytes line)
{
    if (ed_bytes_equal(line, ED_BYTES("reopen")))
        return;
    CHECK(ed_bytes_equal(line, ED_BYTES("ok")) ||
          ed_bytes_starts(line, ED_BYTES("ok ")) ||
          ed_bytes_starts(line, ED_BYTES("error ")));
    run.answers++;
}

static void hear_answers(void)
{
    char text[256 * 1024];
    ssize_t n = recv(run.admin_end, text, sizeof text, 0);

    if (n <= 0)
        return;
    CHECK((size_t)n < sizeof text && text[n - 1] == '\n');
    struct ed_bytes rest = ed_bytes_of(text, (size_t)n - 1);
    while (rest.ptr)
        check_line(ed_bytes_cut(&rest, '\n'));
}

/* A worker is told to open its logs again, by whoever asks for that. */
static void hear_worker(void)
{
    char text[64 * 1024];
    ssize_t n = recv(run.worker_end, text, sizeof text, 0);

    if (n <= 0)
        return;
    CHECK(text[n - 1] == '\n');
    struct ed_bytes rest = ed_bytes_of(text, (size_t)n - 1);
    while (rest.ptr)
        CHECK(ed_bytes_equal(ed_bytes_cut(&rest, '\n'), ED_BYTES("reopen")));
}

static void say(struct ed_bytes piece)
{
    struct ed_master *m = &run.master;
    struct ed_member *first = any_member(&m->crew);

    CHECK(send(run.admin_end, piece.ptr, piece.len, 0) == (ssize_t)piece.len);
    ed_master_hear_admin(m);
    hear_answers();
    hear_worker();
    if (!first || first->process != &run.worker)
        return;
    CHECK(send(run.worker_end, piece.ptr, piece.len, 0) == (ssize_t)piece.len);
    ed_master_hear_worker(m, first);
    hear_worker();
}

static unsigned count_lines(struct ed_bytes text)
{
    unsigned lines = 0;

    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t piece = len ? 1 + data[0] % PIECE_MAX : 1;
    struct ed_bytes text =
        ed_bytes_of((const char *)data + (len > 0), len - (len > 0));

    open_master();
    for (size_t at = 0; at < text.len; at += piece)
        say(ed_bytes_of(text.ptr + at,
                        text.len - at < piece ? text.len - at : piece));
    CHECK(run.answers == count_lines(text));
    close_master();
    return 0;
}
