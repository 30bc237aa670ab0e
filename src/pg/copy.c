/*
 * copy.c - COPY, in and out.
 *
 * A copy holds a connection from its beginning to its end or first failure.
 * What is written is gathered into pieces, so that a row costs no system call,
 * and each piece is on its way before the next is taken; what is read is read
 * when it is asked for. So memory stays bounded, and either side waits for the
 * other.
 */
#include "pg/held.h"
#include <eddy/pg_copy.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* What is gathered before it is sent: some packets, and small enough that the
 * server sees it soon. */
#define PIECE ((size_t)32 * 1024)

/* A server that has said something is believed to have refused the copy, if it
 * was no notice, for so long. */
#define DOUBT (100 * ED_MS)

struct ed_pg_copy {
    struct pg_held held; /* until it is over */
    bool out;
    bool binary;
    bool over;
    int err;      /* how it ended */
    int64_t rows; /* once it is over */
    unsigned columns;

    struct ed_buf gathered; /* in: not given to libpq yet */
    char *row;              /* out: libpq's, given last */

    int64_t doubt_since;             /* in: see listen_in(); 0: none */
    PQnoticeReceiver receive_notice; /* in: the link's own, which it is given */
};

/* ---- beginning and end ---- */

static void end(struct ed_pg_copy *copy, int err)
{
    copy->over = true;
    copy->err = err;
    if (copy->receive_notice)
        PQsetNoticeReceiver(copy->held.conn, copy->receive_notice,
                            copy->held.link);
    pg_let_go(&copy->held);
}

/* Reads the end of the statement: how many rows it was, or why not. */
static int take_end(struct ed_pg_copy *copy)
{
    PGresult *result;
    int err = pg_held_result(&copy->held, NULL, &result);
    if (!err)
        copy->rows = pg_result_affected(result);
    PQclear(result);
    if (err)
        pg_held_finish(&copy->held);
    else
        err = pg_held_finish(&copy->held);
    end(copy, err);
    return err;
}

/* Has the server fail a copy in, so that nothing is stored. */
static void refuse(struct ed_pg_copy *copy)
{
    /* What libpq cannot take any more, it has noted as a lost connection. */
    (void)PQputCopyEnd(copy->held.conn, "given up by the client");
}

static int give_up(struct ed_pg_copy *copy, int err)
{
    if (!copy->out)
        refuse(copy);
    end(copy, err);
    return err;
}

static void on_notice(void *arg, const PGresult *notice)
{
    struct ed_pg_copy *copy = arg;
    copy->doubt_since = 0;
    copy->receive_notice(copy->held.link, notice);
}

static int begin(struct ed_pg_copy *copy, const char *sql)
{
    struct pg_held *held = &copy->held;
    /* In the extended protocol libpq sends a sync behind the statement and one
     * behind the data, of which a server that gives up early may answer both.
     */
    if (!PQsendQuery(held->conn, sql))
        return pg_held_lost(held);
    PGresult *result;
    int err = pg_held_flush(held);
    if (!err)
        err = pg_held_result(held, NULL, &result);
    if (err)
        return err;
    ExecStatusType status = PQresultStatus(result);
    copy->binary = PQbinaryTuples(result);
    copy->columns = (unsigned)PQnfields(result);
    PQclear(result);
    if (status == (copy->out ? PGRES_COPY_OUT : PGRES_COPY_IN))
        return 0;
    if (status == PGRES_COPY_IN)
        refuse(copy);
    else if (status != PGRES_COPY_OUT)
        err = pg_held_finish(held);
    return err ? err
               : ed_fail(ED_EUSAGE, "the statement is no COPY ... %s",
                         copy->out ? "TO STDOUT" : "FROM STDIN");
}

static int open_copy(ed_pg *db, ed_pg_copy **out, const char *sql, bool is_out)
{
    *out = NULL;
    struct ed_pg_copy *copy = calloc(1, sizeof *copy);
    if (!copy)
        return ED_ENOMEM;
    copy->out = is_out;
    int err = pg_hold(&copy->held, db);
    if (!err)
        err = begin(copy, sql);
    if (err) {
        pg_let_go(&copy->held);
        free(copy);
        return err;
    }
    if (!is_out)
        copy->receive_notice =
            PQsetNoticeReceiver(copy->held.conn, on_notice, copy);
    *out = copy;
    return 0;
}

int ed_pg_copy_in(ed_pg *db, ed_pg_copy **out, const char *sql)
{
    return open_copy(db, out, sql, false);
}

int ed_pg_copy_out(ed_pg *db, ed_pg_copy **out, const char *sql)
{
    return open_copy(db, out, sql, true);
}

/* ---- in ---- */

static bool readable(const PGconn *conn)
{
    struct pollfd p = {.fd = PQsocket(conn), .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/*
 * Finds out whether the server has refused the copy already: an endless one
 * would go on without end, since it takes and drops what still comes. libpq
 * keeps such an answer to itself until the copy is ended. But notices, and
 * notifications, it does pass on: so when something came, and nothing of that
 * kind was made of it for some time, it is the refusal. ED_ECLOSED then.
 */
static int listen_in(struct ed_pg_copy *copy)
{
    PGconn *conn = copy->held.conn;
    PGnotify *other;
    bool news = readable(conn);
    if (news && !copy->doubt_since)
        copy->doubt_since = ed_now();
    if (news && !pg_consume(conn))
        return ED_ECLOSED;
    while ((other = PQnotifies(conn))) { /* reads notices as well */
        copy->doubt_since = 0;
        PQfreemem(other);
    }
    bool refused = copy->doubt_since && ed_now() - copy->doubt_since >= DOUBT;
    return refused ? ED_ECLOSED : 0;
}

/* Ends a copy that the server has refused, to hear why. It did not store
 * anything, even if it is gone. */
static int take_refusal(struct ed_pg_copy *copy)
{
    refuse(copy);
    int err = pg_held_flush(&copy->held);
    if (!err || !pg_held_alive(&copy->held)) /* it may have said why before */
        err = take_end(copy);
    if (err == ED_EUNCERTAIN)
        err = ed_fail(ED_EDATABASE, "nothing was copied: %s", ed_error());
    end(copy, err);
    return err;
}

/* As pg_held_flush(), but what comes meanwhile is listened to. */
static int flush(struct ed_pg_copy *copy)
{
    int left, err = listen_in(copy);
    while (!err && (left = PQflush(copy->held.conn))) {
        err = left > 0 ? pg_link_wait(copy->held.link, true) : ED_ECLOSED;
        if (!err)
            err = listen_in(copy);
    }
    return err ? err : ed_checkpoint();
}

static int send_piece(struct ed_pg_copy *copy, const char *ptr, size_t len)
{
    int err = ED_ECLOSED;
    if (PQputCopyData(copy->held.conn, ptr, (int)len) > 0)
        err = flush(copy);
    if (err == ED_ECLOSED)
        return take_refusal(copy);
    return err ? give_up(copy, err) : 0;
}

static int send_gathered(struct ed_pg_copy *copy)
{
    size_t len = copy->gathered.len;
    copy->gathered.len = 0;
    return len ? send_piece(copy, copy->gathered.ptr, len) : 0;
}

/* Whether it can be written to (or read from): 0, or why not. */
static int usable(const struct ed_pg_copy *copy, bool out)
{
    if (copy->out != out)
        return ed_fail(ED_EUSAGE, "a copy %s cannot be %s", out ? "in" : "out",
                       out ? "read" : "written");
    if (copy->over && !copy->err)
        return ed_fail(ED_EUSAGE, "the copy has ended");
    return copy->err;
}

int ed_pg_copy_write(ed_pg_copy *copy, const void *ptr, size_t len)
{
    int err = usable(copy, false);
    if (err)
        return err;
    if (len < PIECE - copy->gathered.len)
        return ed_buf_add(&copy->gathered, ptr, len);
    err = send_gathered(copy);
    for (const char *from = ptr; !err && len;) {
        size_t piece = len < PIECE ? len : PIECE;
        err = send_piece(copy, from, piece);
        from += piece;
        len -= piece;
    }
    return err;
}

static int add_row(struct ed_pg_copy *copy, const struct ed_pg_param *values)
{
    unsigned count = 0;
    for (; values->value.kind != ED_PG_END; values++, count++) {
        int err = count ? ed_buf_add(&copy->gathered, "\t", 1) : 0;
        if (!err)
            err = pg_encode_copy(&copy->gathered, &values->value);
        if (err)
            return err;
    }
    if (count != copy->columns)
        return ed_fail(ED_EUSAGE, "the row has %u values, the copy %u columns",
                       count, copy->columns);
    return ed_buf_add(&copy->gathered, "\n", 1);
}

int ed_pg_copy_row_(ed_pg_copy *copy, const struct ed_pg_param *values)
{
    int err = usable(copy, false);
    if (err)
        return err;
    if (copy->binary)
        return ed_fail(ED_EUSAGE, "rows are written as text, "
                                  "and the copy is binary");
    size_t before = copy->gathered.len;
    err = add_row(copy, values);
    if (err)
        copy->gathered.len = before;
    else if (copy->gathered.len >= PIECE)
        err = send_gathered(copy);
    return err;
}

static int end_in(struct ed_pg_copy *copy)
{
    int err = send_gathered(copy);
    if (err)
        return err;
    if (PQputCopyEnd(copy->held.conn, NULL) < 1)
        return take_refusal(copy);
    err = pg_held_flush(&copy->held);
    if (!err)
        return take_end(copy);
    end(copy, err);
    return err;
}

/* ---- out ---- */

int ed_pg_copy_read(ed_pg_copy *copy, struct ed_bytes *bytes)
{
    if (copy->out && copy->over && !copy->err)
        return 0;
    int err = usable(copy, true);
    if (err)
        return err;
    err = ed_checkpoint();
    while (!err) {
        PQfreemem(copy->row);
        int len = PQgetCopyData(copy->held.conn, &copy->row, true);
        if (len > 0) {
            *bytes = ed_bytes_of(copy->row, (size_t)len);
            return 1;
        }
        if (len < 0)
            return take_end(copy);
        err = pg_held_wait(&copy->held);
    }
    return give_up(copy, err);
}

/* ---- both ---- */

int ed_pg_copy_end(ed_pg_copy *copy, int64_t *rows)
{
    int err = copy->err;
    if (!copy->over)
        err = copy->out ? ed_fail(ED_EUSAGE, "the copy was not read to its end")
                        : end_in(copy);
    if (!err && rows)
        *rows = copy->rows;
    return err;
}

void ed_pg_copy_close(ed_pg_copy *copy)
{
    if (!copy)
        return;
    if (!copy->over)
        give_up(copy, ED_ECANCELED);
    PQfreemem(copy->row);
    ed_buf_free(&copy->gathered);
    free(copy);
}
