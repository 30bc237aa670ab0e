/*
 * script.c - Lua scripts, by their digest.
 */
#include "net/crypto.h"
#include "redis/place.h"
#include <stdio.h>

#define DIGEST_TEXT 40 /* of SHA-1 */

/* ---- the digest, made once ---- */

static int make_digest(struct ed_redis_script *script)
{
    char text[ED_DIGEST_TEXT];
    int err = ed_digest_text(ED_SHA1, ed_bytes(script->text), text);

    if (err)
        return err;
    /* Threads that do it at the same time write the same. */
    memcpy(script->private_digest, text, DIGEST_TEXT + 1);
    __atomic_store_n(&script->private_state, 1, __ATOMIC_RELEASE);
    return 0;
}

static int digest_of(struct ed_redis_script *script, struct ed_bytes *out)
{
    int err = 0;

    if (!__atomic_load_n(&script->private_state, __ATOMIC_ACQUIRE))
        err = make_digest(script);
    *out = ed_bytes_of(script->private_digest, DIGEST_TEXT);
    return err;
}

/* ---- running ---- */

struct evaluation {
    const struct ed_redis_script *script;
    size_t keys;
    size_t argc;
    const struct ed_bytes *argv;
};

static int evaluate(ed_redis *db, ed_redis_reply **reply,
                    const struct evaluation *e, const char *command,
                    struct ed_bytes script)
{
    char keys[24];
    int len = snprintf(keys, sizeof(keys), "%zu", e->keys);
    const struct ed_bytes front[] = {ed_bytes(command), script,
                                     ed_bytes_of(keys, (size_t)len)};
    struct redis_request request;

    redis_request_init(&request);
    int err = redis_request_argv2(&request, 3, front, e->argc, e->argv);
    if (!err)
        err = redis_run(db, &request, reply);
    redis_request_free(&request);
    return err;
}

static int by_text(ed_redis *db, ed_redis_reply **reply,
                   const struct evaluation *e)
{
    return evaluate(db, reply, e, e->script->read_only ? "EVAL_RO" : "EVAL",
                    ed_bytes(e->script->text));
}

int ed_redis_eval(ed_redis *db, ed_redis_reply **reply,
                  struct ed_redis_script *script, size_t keys, size_t argc,
                  const struct ed_bytes *argv)
{
    const struct evaluation e = {script, keys, argc, argv};
    ed_redis_reply *unwanted = NULL;
    struct ed_bytes digest;

    if (!reply)
        reply = &unwanted;
    *reply = NULL;
    if (keys > argc)
        return ed_fail(ED_EUSAGE, "a script with %zu keys and %zu arguments",
                       keys, argc);
    if (db->ops->notes)
        return by_text(db, reply, &e);
    int err = digest_of(script, &digest);
    if (!err)
        err = evaluate(db, reply, &e,
                       script->read_only ? "EVALSHA_RO" : "EVALSHA", digest);
    if (err == ED_EREDIS && ed_redis_is_error(*reply, "NOSCRIPT"))
        err = by_text(db, reply, &e);
    return err;
}
