/*
 * fetch_fails.h - fetches that fail, and what they leave behind: nothing.
 */
#ifndef EDDY_TESTS_HTTP_FETCH_FAILS_H
#define EDDY_TESTS_HTTP_FETCH_FAILS_H

#include "peer.h"
#include <eddy/client.h>

/* Fetches from a peer that is not open yet, and compares the error and what its
 * text says behind the request. The client is freed. */
static inline void fetch_fails(struct peer *p, ed_client *client, int want,
                               const char *detail)
{
    int before = held_descriptors();
    struct ed_client_counts counts;
    char text[300];
    ed_res *res;

    peer_open(p);
    check_int(ed_fetch(&res, p->url, .client = client), want);
    check(!res);
    snprintf(text, sizeof(text), "GET %s: %s", p->url, detail);
    check_text(ed_error(), text);
    ed_client_counts(client, &counts);
    check_int(counts.open, 0);
    ed_client_free(client);
    peer_close(p);
    check_int(held_descriptors(), before);
}

#endif
