/*
 * log_file.h - the files a server logs to, of which every process has its own
 * descriptor.
 */
#ifndef EDDY_SERVE_LOG_FILE_H
#define EDDY_SERVE_LOG_FILE_H

#include "serve/settings.h"

/* Takes the log's file into use, if there is one. What cannot be opened is told
 * in the log there is, which stays. */
void ed_log_file_use(const struct ed_settings *settings);

/*
 * Makes the log's file and that of the access log where there are none, as the
 * user workers run as: who opens them first is root, and workers could not open
 * them again. Only what is new is given away, so that nobody gets a file by a
 * name that he has put there. Does nothing for who is not root.
 */
void ed_log_file_make(const struct ed_settings *settings);

#endif
