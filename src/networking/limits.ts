// How many sockets guests may have in all. Imports nothing.

/** The node needs descriptors itself. */
export const NODE_SOCKETS_MAX = 8_192;
