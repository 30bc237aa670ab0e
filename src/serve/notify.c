#include "serve/notify.h"
void ed_notify(const char *text)
{
    (void)text;
}
void ed_notify_watchdog(void)
{
}
