/*
 * error.c - names, texts and HTTP statuses of errors.
 *
 * Owns the table made from err.def. The operating system's errors are asked
 * of the C library, by the functions that return static texts (strerror()
 * may not, and follows the locale).
 */
#include <eddy/error.h>
#include <limits.h>
#include <string.h>

struct row {
    int code;
    int status;
    const char *name;
    const char *text;
};

static const struct row table[] = {
#define ED_ERR(name, code, text, status) {code, status, "ED_" #name, text},
#include <eddy/err.def>
#undef ED_ERR
};

static const struct row *find(int err)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].code == err)
            return &table[i];
    }
    return NULL;
}

/* The errno behind a negative error; INT_MIN has none. */
static int errno_of(int err)
{
    return err == INT_MIN ? INT_MAX : -err;
}

const char *ed_err_name(int err)
{
    if (err >= 0)
        return "OK";
    const struct row *row = find(err);
    const char *name = row ? row->name : strerrorname_np(errno_of(err));
    return name ? name : "UNKNOWN";
}

const char *ed_err_text(int err)
{
    if (err >= 0)
        return "no error";
    const struct row *row = find(err);
    const char *text = row ? row->text : strerrordesc_np(errno_of(err));
    return text ? text : "unknown error";
}

int ed_err_status(int err)
{
    if (err >= 0)
        return 200;
    const struct row *row = find(err);
    return row ? row->status : 500;
}
