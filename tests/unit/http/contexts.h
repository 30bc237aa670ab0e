/*
 * contexts.h - what the tests of a file need for TLS: a server's context with
 * the certificate "site", and a client's that trusts its issuer.
 *
 *     static int set_up(void **state)
 *     {
 *         certs_open();
 *         certs_make(.file = "site", .names = "a.org");
 *         return contexts_open();
 *     }
 *     ...
 *     return cmocka_run_group_tests(tests, set_up, contexts_tear_down);
 */
#ifndef EDDY_TESTS_HTTP_CONTEXTS_H
#define EDDY_TESTS_HTTP_CONTEXTS_H

#include "certs.h"
#include <eddy/tls.h>

static ed_tls *server_tls, *client_tls;

static inline int contexts_open(void)
{
    int err = ed_tls_server(&server_tls, .certificate = certs_path("site.pem"),
                            .key = certs_path("site.key"));

    return err ? err : ed_tls_client(&client_tls, .ca = certs_path("ca.pem"));
}

static inline int contexts_tear_down(void **state)
{
    ed_tls_free(server_tls);
    ed_tls_free(client_tls);
    return certs_tear_down(state);
}

#endif
