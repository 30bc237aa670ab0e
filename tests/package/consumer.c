/*
 * consumer.c - a program that knows of Eddy only what a package installs.
 */
#include <eddy/eddy.h>

#include <string.h>

int main(void)
{
    return strcmp(ed_err_name(ED_ETIMEOUT), "ED_ETIMEOUT") != 0;
}
