/*
 * error.h - what goes wrong, as numbers.
 *
 * Functions return 0 (or a count) or a negative error: -errno for the
 * operating system's, ED_E... for Eddy's own (err.def has the whole table).
 * Detail for people, such as which address refused, is ed_error() in fiber.h.
 */
#ifndef EDDY_ERROR_H
#define EDDY_ERROR_H

#include <eddy/api.h>

ED_BEGIN_DECLS

enum ed_err {
#define ED_ERR(name, code, text, status) ED_##name = (code),
#include <eddy/err.def>
#undef ED_ERR
};

/* The name of an error, such as "ED_ETIMEOUT" or "ECONNREFUSED"; "OK" for 0
 * and positive values; "UNKNOWN" for what no table knows. Any thread. */
ED_API const char *ed_err_name(int err);

/* The text of an error for people, such as "deadline passed"; "no error" for 0
 * and positive values, "unknown error" for what no table knows. Static, never
 * translated; any thread. */
ED_API const char *ed_err_text(int err);

/* The HTTP status a handler's returned error becomes; 500 for errors without
 * one of their own, 200 for 0 and positive values. Any thread. */
ED_API int ed_err_status(int err);

ED_END_DECLS
#endif
