/*
 * fuzz_no_proxy.c - any list, and any host, up to the first NUL: nothing is
 * read out of bounds, and what a list names does not depend on the entries
 * before it.
 */
#include "check.h"
#include "wire/no_proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ed_bytes list = ed_bytes_of(data, size);
    struct ed_bytes host = ed_bytes_cut(&list, '\0');

    if (!list.ptr)
        return 0;
    char *host_copy = check_copy(host), *list_copy = check_copy(list);
    host.ptr = host_copy;
    list.ptr = list_copy;
    bool named = ed_no_proxy_names(list, host, 80);
    struct ed_buf longer = {0};
    CHECK(ed_buf_addf(&longer, "x.invalid:1,") == 0);
    CHECK(ed_buf_add(&longer, list.ptr, list.len) == 0);
    CHECK(ed_no_proxy_names(ed_buf_bytes(&longer), host, 80) == named);
    CHECK(ed_buf_addf(&longer, ",*") == 0);
    CHECK(ed_no_proxy_names(ed_buf_bytes(&longer), host, 80));
    ed_buf_free(&longer);
    free(host_copy);
    free(list_copy);
    return 0;
}
