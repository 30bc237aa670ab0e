/*
 * socket.h - streams straight on a descriptor: sockets, pipes, terminals.
 */
#ifndef EDDY_NET_SOCKET_H
#define EDDY_NET_SOCKET_H

#include "net/stream.h"

/* Makes a stream of a connected, non-blocking stream socket, which it owns
 * from then on. 0, ED_ENOMEM or -errno, the socket then still being the
 * caller's. */
ED_CHECK int ed_socket_stream(ed_stream **out, ed_loop *loop, int fd);

/* Waiting listeners that are out of descriptors hear that one is free. */
void ed_listeners_descriptor_freed(void);

#endif
