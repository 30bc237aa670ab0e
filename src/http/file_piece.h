/*
 * file_piece.h - pieces of replies out of files: given to a version of HTTP
 * that sends them by itself; or read and sent, for those and transports that do
 * not, and through filters that change them.
 */
#ifndef EDDY_HTTP_FILE_PIECE_H
#define EDDY_HTTP_FILE_PIECE_H

#include "http/message.h"

/* Takes what was read: 0 or an error. May suspend. */
typedef int ed_file_piece_fn(void *arg, struct ed_bytes bytes);

/* Reads a part of a file and gives it to `give`, a buffer full at a time.
 * Suspends. 0, ED_EEOF when the file ends before, ED_ENOMEM, what reading came
 * to, or what `give` returned. */
ED_CHECK int ed_file_piece_read(int fd, int64_t offset, int64_t length,
                                ed_file_piece_fn *give, void *arg);

/* Explains that a file ended before it should. Returns ED_EEOF. */
int ed_file_piece_short(int64_t missing);

#endif
