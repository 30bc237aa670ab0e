/*
 * notify.h - telling the service manager how we are (sd_notify(3)).
 */
#ifndef EDDY_SERVE_NOTIFY_H
#define EDDY_SERVE_NOTIFY_H

#include <eddy/api.h>

/* Sends lines such as "READY=1"; nothing without NOTIFY_SOCKET. */
void ed_notify(const char *text);

/* To be called each second or so: tells the watchdog when that is due. */
void ed_notify_watchdog(void);

#endif
