/*
 * fuzz_addr.c - addresses: what is read can be written, and what was written
 * is read as the same.
 */
#include "check.h"
#include "net/addr.h"

#include <eddy/error.h>

static void check_addr(const struct ed_addr *addr)
{
    char text[ED_ADDR_TEXT], again_text[ED_ADDR_TEXT];
    struct ed_addr again;

    ed_addr_text(addr, text);
    CHECK(strlen(text) < ED_ADDR_TEXT);
    /* Unprintable bytes of a Unix address are not written as they are. */
    if (addr->any.sa_family == AF_UNIX && strchr(text, '?'))
        return;
    CHECK(ed_addr_parse(&again, ed_bytes(text)) == 0);
    CHECK(ed_addr_equal(addr, &again));
    CHECK(!strcmp(text, ed_addr_text(&again, again_text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ed_bytes text = ed_bytes_of(data, size);
    struct ed_endpoint endpoint;
    struct ed_addr addr;
    int err = ed_endpoint_parse(&endpoint, text);

    CHECK(err == 0 || err == ED_EADDR);
    if (!err) {
        CHECK(strlen(endpoint.host) <= ED_HOST_MAX);
        CHECK(endpoint.any + (endpoint.addr.len > 0) + (*endpoint.host != 0) ==
              1);
        if (*endpoint.host)
            CHECK(ed_host_is_name(ed_bytes(endpoint.host)));
        if (endpoint.addr.len)
            check_addr(&endpoint.addr);
    }
    if (!ed_addr_parse_ip(&addr, text, 80))
        check_addr(&addr);
    return 0;
}
