/*
 * secured.c - what TLS agreed on and whom it found, without the stream.
 */
#include "http/secured.h"
#include <stdlib.h>

/* Gives the texts their places one behind the other, as they were put. */
static void point_at_texts(struct ed_secured *secured)
{
    const char **const texts[] = {&secured->info.version, &secured->info.cipher,
                                  &secured->info.alpn,
                                  &secured->info.server_name};
    const char *at = secured->texts;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        *texts[i] = at;
        at += strlen(at) + 1;
    }
}

struct ed_secured *ed_secured_of(ed_stream *s)
{
    struct ed_tls_info info;

    if (!ed_stream_tls(s, &info))
        return NULL;
    const char *const texts[] = {info.version, info.cipher, info.alpn,
                                 info.server_name};
    size_t len = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        len += strlen(texts[i]) + 1;
    struct ed_secured *secured = malloc(sizeof(*secured) + len);
    if (!secured)
        return NULL;
    char *at = secured->texts;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        at = stpcpy(at, texts[i]) + 1;
    secured->texts_len = len;
    secured->info = info;
    secured->has_peer = ed_stream_tls_peer(s, &secured->peer);
    point_at_texts(secured);
    return secured;
}

struct ed_secured *ed_secured_copy(ed_arena *arena,
                                   const struct ed_secured *from)
{
    size_t size = sizeof(*from) + from->texts_len;
    struct ed_secured *copy = ed_arena_alloc(arena, size);

    if (!copy)
        return NULL;
    memcpy(copy, from, size);
    point_at_texts(copy);
    return copy;
}
