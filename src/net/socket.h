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

/* Waits for the end of the connect(2) that was begun on the stream's socket.
 * Suspends. 0, ED_ECANCELED, ED_ETIMEOUT or -errno. */
ED_CHECK int ed_socket_connected(ed_stream *s);

/* The same without a fiber: an operation of kind ED_OP_CONNECT, whose `done` is
 * called in the loop with 0 or -errno. Returns ED_IO_PENDING, or the result if
 * it is there already, `done` not being called then. */
ED_CHECK ssize_t ed_socket_connecting(ed_stream *s, struct ed_op *op);
void ed_socket_stop_connecting(ed_stream *s, struct ed_op *op);

/* Waiting listeners that are out of descriptors hear that one is free. */
void ed_listeners_descriptor_freed(void);

#endif
