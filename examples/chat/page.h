/*
 * page.h - the page, which the build puts into the program (cmake/embed.cmake).
 */
#ifndef CHAT_PAGE_H
#define CHAT_PAGE_H

#include <stddef.h>

extern const unsigned char chat_page[];
extern const size_t chat_page_len;

#endif
