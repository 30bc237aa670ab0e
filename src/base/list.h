/*
 * list.h - a doubly linked list whose links live inside its members.
 *
 * A list is a ring: the head is a struct ed_list of its own, and so is the
 * link in each member. Nothing is allocated and every change is O(1). A link
 * that is in no list points at itself, so removing it again does no harm.
 * Members are found from their links with ED_CONTAINER().
 */
#ifndef EDDY_BASE_LIST_H
#define EDDY_BASE_LIST_H

#include <eddy/api.h>

struct ed_list {
    struct ed_list *prev;
    struct ed_list *next;
};

/* The struct of type `type` whose member `member` is at `ptr`. The condition
 * lets the compiler check that `ptr` points at what the member is. */
#define ED_CONTAINER(ptr, type, member)                    \
    ((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - \
              offsetof(type, member)))

/* Makes a head empty, or a link belong to no list. Needed before first use. */
static inline void ed_list_init(struct ed_list *list)
{
    list->prev = list;
    list->next = list;
}

static inline bool ed_list_empty(const struct ed_list *head)
{
    return head->next == head;
}

/* Puts a link that is in no list right behind `at`. */
static inline void ed_list_insert(struct ed_list *at, struct ed_list *link)
{
    link->prev = at;
    link->next = at->next;
    at->next->prev = link;
    at->next = link;
}

static inline void ed_list_add_front(struct ed_list *head, struct ed_list *link)
{
    ed_list_insert(head, link);
}

static inline void ed_list_add_back(struct ed_list *head, struct ed_list *link)
{
    ed_list_insert(head->prev, link);
}

/* Takes a link out of its list, if it is in one. */
static inline void ed_list_remove(struct ed_list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    ed_list_init(link);
}

/* The first or last link of a list, or NULL when it is empty. */
static inline struct ed_list *ed_list_first(const struct ed_list *head)
{
    return ed_list_empty(head) ? NULL : head->next;
}

static inline struct ed_list *ed_list_last(const struct ed_list *head)
{
    return ed_list_empty(head) ? NULL : head->prev;
}

/* The first link of a list, taken out of it, or NULL. */
static inline struct ed_list *ed_list_take(struct ed_list *head)
{
    struct ed_list *link = ed_list_first(head);

    if (link)
        ed_list_remove(link);
    return link;
}

/* Visits the links from front to back; the list must not change meanwhile,
 * but may grow at its back. */
#define ed_list_each(link, head) \
    for (struct ed_list *link = (head)->next; link != (head); link = link->next)

/* The same, but the link at hand may be removed (and its member freed). */
#define ed_list_each_safe(link, head)                                    \
    for (struct ed_list *link = (head)->next, *link##_next = link->next; \
         link != (head); link = link##_next, link##_next = link->next)

#endif
