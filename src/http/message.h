/*
 * message.h - a request and its reply, between the version of HTTP that
 * carries them and the functions of http.h.
 */
#ifndef EDDY_HTTP_MESSAGE_H
#define EDDY_HTTP_MESSAGE_H

#include <eddy/http.h>
#include <eddy/server.h>
#include "http/server_internal.h"
#include "wire/http1.h"

struct ed_reply_filters; /* reply_filter.h */

/* Something that a part of the program notes about a request. */
struct ed_req_note {
    struct ed_req_note *next;
    const void *key;
    const void *value;
};

struct ed_reply_field {
    struct ed_reply_field *next;
    struct ed_bytes name;
    struct ed_bytes value;
};

/* What a request has as long as its reply has not begun; embedded in what is
 * told that it is let go, anywhere in the loop. Does not suspend. */
struct ed_req_hold {
    void (*let_go)(struct ed_req_hold *hold, ed_req *req);
};

struct ed_takeover;

/* What a version of HTTP does for a request. */
struct ed_exchange_ops {
    /* Reads of the body: a count, 0 at the end, or an error. Suspends. */
    ssize_t (*body_read)(ed_req *req, void *buf, size_t len);

    /*
     * Sends `piece` behind what was sent so far; the head goes first, made of
     * req->reply, when it is not out. `end` says that this is the last. With
     * the first also the last, the length is known. Takes the bytes, or
     * suspends until they are sent.
     */
    int (*send)(ed_req *req, struct ed_bytes piece, bool end);

    /* Sends `length` bytes of a file as the next piece, not the last. NULL:
     * they have to be read and sent. Suspends. ED_EEOF when the file ends
     * before. For `warm` see ed_req_write_file(). */
    int (*send_file)(ed_req *req, int fd, int64_t offset, int64_t length,
                     bool *warm);

    /* Sends what is gathered. May suspend. */
    int (*flush)(ed_req *req);

    /* As `send`, of a small piece behind a head that is out, but never waits:
     * false when something else has not gone yet. In the loop, too. */
    bool (*try_send)(ed_req *req, struct ed_bytes piece);

    int (*upgrade)(ed_req *req, const char *protocol, ed_stream **out);

    /* takeover.h */
    int (*take_over)(ed_req *req, struct ed_takeover *takeover);
    const char *(*peer)(ed_req *req);

    /* The connection it came on; NULL when that is gone, or taken over. */
    ed_stream *(*transport)(const ed_req *req);
};

struct ed_req {
    const struct ed_exchange_ops *ops;
    void *exchange; /* the version's own */
    ed_arena *arena;
    ed_server *server;
    void *user;
    void *app;         /* the app's note: route, arguments */
    const void *route; /* the app's struct ed_route (app/router.h), there until
                          the request is over; NULL: none so far */

    const char *head; /* what the spans of the fields count from */
    const struct ed_http1_field *fields;
    uint32_t field_count;
    int version;  /* 10, 11, ... */
    bool taken;   /* the connection was taken over */
    bool is_head; /* the method: replies have no body */
    bool secure;
    bool body_ended;
    const char *method;
    const char *target;
    const char *path;
    const char *query;
    const char *host;

    /* What is to be told that the handler has returned, and with what: in its
     * fiber, once. May suspend; what it returns takes the result's place.
     * NULL: nothing, or it was told. */
    int (*returned)(ed_req *req, void *arg, int result);
    void *returned_arg;

    int64_t body_length; /* -1: unknown */
    size_t max_body;
    struct ed_bytes body; /* once read whole */
    bool body_read_whole;
    bool body_read_some;
    int body_error; /* of reading it: the client's doing, and for good */

    struct {
        int status;             /* 0: not chosen */
        struct ed_bytes reason; /* words of its own; empty: the usual */
        bool began;             /* the head is out, or on its way */
        bool ended;
        int failed;      /* a piece could not be sent: it can only be cut */
        bool pieces;     /* begun in pieces */
        bool unfinished; /* one of JSON that cannot end here */
        bool content_type_set;
        bool own_date; /* the handler has set these fields itself */
        bool own_server;
        int64_t length;               /* declared; -1: not */
        int64_t sent;                 /* bytes of the body so far */
        struct ed_bytes content_type; /* empty: none is said */
        struct ed_reply_field *fields;
        struct ed_reply_field **fields_end;
        struct ed_reply_field *trailers;
        struct ed_reply_field **trailers_end;
        bool recoded; /* a filter sends another body than was replied */
        int64_t recoded_length; /* of that; -1: not known */
    } reply;
    struct ed_reply_filters *filters; /* NULL: what is replied is sent */

    /* What a trusted proxy told of the client; NULL: nothing. */
    const char *told_peer;
    const char *told_scheme;
    struct ed_req_note *notes; /* the last first */

    struct ed_trace *trace; /* NULL: none */
    bool trace_read;        /* the fields were looked at */

    struct ed_req_hold *hold; /* NULL: nothing */
    int64_t came;             /* when the head was there; ed_now() */
    int64_t waited; /* in line, before its handler was called (serve) */
    bool in_line;
    int64_t sent_bytes; /* of the body, that were handed to the connection; a
                           piece that failed is none */
    uint64_t number;    /* ed_req_id() */
    char *id;
};

/* Lets go what is held until the reply begins; once. */
static inline void ed_req_let_go(ed_req *req)
{
    struct ed_req_hold *hold = req->hold;

    if (!hold)
        return;
    req->hold = NULL;
    hold->let_go(hold, req);
}

/* Makes a request ready whose head the version has filled in. */
void ed_req_init(ed_req *req);

/*
 * Runs the handler and sees to it that there is a reply: an error reply for
 * an error, the end of one in pieces. Returns 0, or an error when the reply
 * is cut and the connection must not be used again.
 */
int ed_req_run(ed_req *req, ed_handler *handler);

/* Adds a field that is known to be well-formed and to frame nothing, in front
 * of the reply's head. The name is borrowed, the value copied. 0 or
 * ED_ENOMEM. */
ED_CHECK int ed_req_add_field(ed_req *req, struct ed_bytes name,
                              struct ed_bytes value);

/* The length the head tells; -1: none. */
static inline int64_t ed_req_reply_length(const ed_req *req)
{
    return req->reply.recoded ? req->reply.recoded_length : req->reply.length;
}

/* The last thing a version does with a request, when no fiber works on it any
 * more. `err` ended it; 0 when the reply is whole. Does not suspend. */
void ed_filters_over(ed_req *req, int err);

/* The observer of the server, which is there, is told (observer.h). */
void ed_observer_began(ed_req *req);
void ed_observer_over(ed_req *req, int err);

static inline void ed_req_over(ed_req *req, int err)
{
    if (req->filters)
        ed_filters_over(req, err);
    if (req->server->observer)
        ed_observer_over(req, err);
}

/* Whether a piece of that length may come next in the reply, and notes that it
 * does. 0 or ED_EUSAGE. */
ED_CHECK int ed_req_begin_piece(ed_req *req, uint64_t len);

/*
 * ed_write_file(). To look whether a file is in memory costs up to a twentieth
 * of what sending it does: with *warm that is not done. Without, it becomes
 * true when all of the part was found there.
 */
ED_CHECK int ed_req_write_file(ed_req *req, int fd, int64_t offset,
                               int64_t length, bool *warm);

/* Whether the reply has a body, by its status and the method. */
bool ed_req_reply_has_body(const ed_req *req);

/* The status that says an error of a handler: ed_err_status(), except that
 * what failed with the request's own body is the client's fault. */
int ed_req_error_status(const ed_req *req, int err);

/* Notes a value by a key, the address of something static, and gives it back;
 * NULL when there is none. 0 or ED_ENOMEM. */
ED_CHECK int ed_req_note(ed_req *req, const void *key, const void *value);
const void *ed_req_noted(const ed_req *req, const void *key);

/* Writes a small piece of a reply in pieces if that needs no waiting. Anywhere
 * in the loop. False: something else has not gone yet, or never will, or a
 * filter makes something else of the body. */
bool ed_req_try_write(ed_req *req, struct ed_bytes piece);

/* Names the request that the running fiber works on, for its log lines. */
void ed_req_log_context(char *out, size_t size);

/* The same for the calling thread, which is no loop's: by that id, which is
 * borrowed until it is told another. NULL: none. */
void ed_req_log_thread(const char *id);

/* A plain error reply, used when the application makes none. */
int ed_req_error_reply(ed_req *req, int status, const char *text);

/* Takes back a reply whose head is not out, so that an error reply can take
 * its place: its status, and the fields that were about its body. False when
 * it is too late. */
bool ed_req_take_back(ed_req *req);

/* Logs an error that a handler returned: as the client's, or as our own. */
void ed_req_log_failure(const ed_req *req, int err);

#endif
