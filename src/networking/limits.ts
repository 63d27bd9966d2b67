// How much of the network guests may have at most, whatever a policy says. Imports nothing.

/** Sockets in all. The node needs descriptors itself. */
export const NODE_SOCKETS_MAX = 8_192;
/** TLS handshakes of one version in a second: more than a main thread computes. */
export const HANDSHAKES_MAX = 10_000;
